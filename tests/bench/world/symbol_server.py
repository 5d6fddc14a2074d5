"""A symbol server on loopback, as a program.

    python -m tests.bench.world.symbol_server '{"libc.so.6": "/path"}'

Each file is there under any debug id, which it then has in its MODULE record, so that the same
text is a module that nobody has seen before. Prints its port.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, Path]] = {}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""

    def do_GET(self) -> None:
        debug_file, debug_id, *_ = unquote(self.path).lstrip("/").split("/")
        path = self.files.get(debug_file)
        if path is None:
            self.send_error(404)
            return
        with path.open("rb") as file:
            old_record = file.readline()
            fields = old_record.split(b" ", 4)
            record = b" ".join([*fields[:3], debug_id.encode(), *fields[4:]])
            self.send_response(200)
            length = path.stat().st_size - len(old_record) + len(record)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(record)
            self.connection.sendfile(file, offset=len(old_record))


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    """Serve until killed."""
    _Handler.files = {name: Path(path) for name, path in json.loads(sys.argv[1]).items()}
    server = _Server(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)  # noqa: T201 - read by whoever started it
    server.serve_forever()


if __name__ == "__main__":
    main()
