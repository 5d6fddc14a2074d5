"""TLS and tokens as flags."""

import argparse
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import grpc

from symbolon.client import Client
from symbolon.errors import InvalidCredentialsError

TOKEN_VARIABLE = "SYMBOLON_TOKEN"  # noqa: S105 - the name of a variable
"""There is no flag for the token itself: it would show in the list of processes."""


def add_flags(group: "argparse._ArgumentGroup") -> None:
    """Add the flags that `read_tls` and `read_token` read."""
    group.add_argument("--tls", action="store_true", help="use TLS; implied by the other TLS flags")
    group.add_argument(
        "--tls-ca",
        type=Path,
        metavar="FILE",
        help="CA bundle (PEM) for the server's certificate (default: gRPC's own)",
    )
    group.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="client certificate (PEM), with its chain"
    )
    group.add_argument(
        "--tls-name",
        metavar="NAME",
        help="name in the server's certificate, if it differs from the target's",
    )
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's private key")
    group.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"file with the token that authenticates the caller (default: ${TOKEN_VARIABLE})",
    )


def connect(options: argparse.Namespace) -> Client:
    """Return the client that the flags describe; raise `InvalidCredentialsError`."""
    return Client(
        options.target,
        timeout=options.timeout,
        wait_for_ready=options.wait_for_ready,
        credentials=read_tls(options),
        token=read_token(options, os.environ),
        options=read_options(options),
    )


def are_plain_files(options: argparse.Namespace) -> bool:
    """Return whether the files of the flags can be read again by another process."""
    files = (options.tls_ca, options.tls_cert, options.tls_key, options.token_file)
    return all(file.is_file() for file in files if file)


def read_tls(options: argparse.Namespace) -> grpc.ChannelCredentials | None:
    """Return TLS credentials, `None` for plaintext; raise `InvalidCredentialsError`."""
    files = (options.tls_ca, options.tls_cert, options.tls_key)
    if not (options.tls or options.tls_name or any(files)):
        return None
    if (options.tls_cert is None) != (options.tls_key is None):
        raise InvalidCredentialsError("--tls-cert and --tls-key go together")
    ca, certificate, key = map(_read, files)
    _check_files(*files)
    return grpc.ssl_channel_credentials(ca, key, certificate)


def read_options(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the channel options that the flags require."""
    return [("grpc.ssl_target_name_override", options.tls_name)] if options.tls_name else []


def read_token(options: argparse.Namespace, environment: Mapping[str, str]) -> str | None:
    """Return the token, or `None`; raise `InvalidCredentialsError`."""
    if options.token_file is None:
        return environment.get(TOKEN_VARIABLE) or None
    content = _read(options.token_file) or b""
    return content.decode("ascii", "replace")


def _read(file: Path | None) -> bytes | None:
    try:
        return file.read_bytes() if file else None
    except OSError as error:
        raise InvalidCredentialsError(f"cannot read {file}: {error.strerror}") from error


def _check_files(ca: Path | None, certificate: Path | None, key: Path | None) -> None:
    """Raise for an unusable file; gRPC would only say that it cannot connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
        if certificate:
            context.load_cert_chain(certificate, key, password="")  # or it would prompt for one
    except OSError as error:
        files = " and ".join(str(file) for file in (ca, certificate, key) if file)
        raise InvalidCredentialsError(f"cannot use {files}: {error}") from error
