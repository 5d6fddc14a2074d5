"""Servers with TLS and tokens, and ways to call them."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc

from symbolon_server.rpc.access.protection import Certificates, Protection, TlsFiles
from symbolon_server.rpc.calls.addresses import ListenAddress
from tests.fixtures.certificates import Authority, Certificate
from tests.rpc.scripted import answer, started

GET_MODULE = "/symbolon.v1.ModuleService/GetModule"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

Metadata = tuple[tuple[str, str], ...]


@contextmanager
def serving(
    protection: Protection, host: str = "127.0.0.1", **options: Any
) -> Iterator[ListenAddress]:
    """Run a server whose GetModule always succeeds."""
    with started(answer, host, protection=protection, **options) as (_, address):
        yield address


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
