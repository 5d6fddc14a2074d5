"""The limit of gRPC in Python: `python -m tests.bench.world.echo_server FOLDER [CORE]`.

A server with the options, threads and port of the real one whose methods return the bytes of
the files in a folder, each under the file's name. Prints its port. Its threads are where the
system puts them, as those of any gRPC server in Python. With a core they are kept on it, and
memory is kept that was freed, as the real server does both.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import grpc

from symbolon_server.app.process.cores import on_one_core
from symbolon_server.app.process.heap import keep_freed_memory
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.serving.server import ServerOptions, _channel_options
from symbolon_server.settings import Settings

SERVICE = "symbolon.bench.Echo"


def main() -> None:
    """Serve until the end of the input."""
    settings = Settings()
    options = ServerOptions(
        listen=ListenAddress("127.0.0.1", 0),
        threads=settings.threads,
        max_calls_in_flight=settings.max_calls_in_flight,
        max_request_bytes=settings.max_request_bytes,
    )
    _, _folder, *core = sys.argv
    if core:
        keep_freed_memory()
    with on_one_core(int(core[0])) if core else nullcontext():
        _server, port = _start(options)  # which stops when nobody holds it
    print(port, flush=True)  # noqa: T201 - read by whoever started it
    sys.stdin.read()


def _start(options: ServerOptions) -> tuple[grpc.Server, int]:
    """Return a server that serves, and its port."""
    pool = ThreadPoolExecutor(options.threads)
    server = grpc.server(pool, options=_channel_options(options))
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        path.name: grpc.unary_unary_rpc_method_handler(_answer_with(path.read_bytes()))
        for path in Path(sys.argv[1]).iterdir()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)
    port = server.add_insecure_port(str(options.listen))
    server.start()
    return server, port


def _answer_with(answer: bytes) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    return lambda _request, _context: answer


if __name__ == "__main__":
    main()
