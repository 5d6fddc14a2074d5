"""Servers with TLS and tokens, and ways to call them."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import grpc

from symbolon_server.rpc.access.certificates import Certificates, TlsFiles
from symbolon_server.rpc.access.protection import Protection
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from tests.fixtures.certificates import Authority, Certificate
from tests.rpc.scripted import ScriptedModuleService, answer

GET_MODULE = "/symbolon.v1.ModuleService/GetModule"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

Metadata = tuple[tuple[str, str], ...]


@contextmanager
def serving(
    protection: Protection,
    host: str = "127.0.0.1",
    *,
    has_reflection: bool = True,
    logs_calls: bool = False,
    handshake_seconds: float = 10.0,
) -> Iterator[ListenAddress]:
    """Run a server whose GetModule always succeeds."""
    options = ServerOptions(
        ListenAddress(host, 0),
        threads=4,
        max_calls_in_flight=8,
        max_request_bytes=1024**2,
        protection=protection,
        has_reflection=has_reflection,
        logs_calls=logs_calls,
        handshake_seconds=handshake_seconds,
    )
    server = RpcServer(options, [ScriptedModuleService(answer).add_to])
    address = server.bind()
    server.start()
    try:
        yield address
    finally:
        server.stop(0.0)


def call(channel: grpc.Channel, method: str, metadata: Metadata = ()) -> grpc.StatusCode:
    """Call a method with one empty request and return how that ended."""
    asking = channel.stream_stream(method, request_serializer=bytes, response_deserializer=bytes)
    answers = asking(iter([b""]), timeout=20, metadata=metadata)
    try:
        for _ in answers:
            pass
    except grpc.RpcError:
        pass
    code: grpc.StatusCode = answers.code()
    return code


def bearing(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def write_tokens(file: Path, *lines: tuple[str, str, str]) -> Path:
    """Write name, permissions and the hash of each token into a file."""
    hashed = [
        f"{name} {may} sha256:{sha256(token.encode()).hexdigest()}" for name, may, token in lines
    ]
    file.write_text("".join(f"{line}\n" for line in hashed))
    return file


def certificates_of(
    certificate: Certificate, client_authority: Authority | None = None
) -> Certificates:
    files = TlsFiles(
        certificate.chain, certificate.key, client_authority.file if client_authority else None
    )
    return Certificates(files)


@contextmanager
def channel_to(
    address: ListenAddress, authority: Authority | None = None, own: Certificate | None = None
) -> Iterator[grpc.Channel]:
    """A channel, with TLS if `authority` is given."""
    if authority is None:
        with grpc.insecure_channel(str(address)) as channel:
            yield channel
        return
    pair = (own.key.read_bytes(), own.chain.read_bytes()) if own else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes(), *pair)
    with grpc.secure_channel(str(address), credentials) as channel:
        yield channel
