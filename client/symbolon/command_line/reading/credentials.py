"""TLS and tokens as flags: what the program is known by, and whom it trusts."""

import argparse
import ssl
from collections.abc import Mapping
from pathlib import Path

import grpc

from symbolon.errors import InvalidCredentialsError

TOKEN_VARIABLE = "SYMBOLON_TOKEN"  # noqa: S105 - the name of a variable
"""A flag for the token itself would show it to everybody who lists the running programs."""


def add_flags(group: "argparse._ArgumentGroup") -> None:
    """Add the flags that `read_tls` and `read_token` read."""
    group.add_argument(
        "--tls", action="store_true", help="encrypt the connection; the other TLS flags imply it"
    )
    group.add_argument(
        "--tls-ca",
        type=Path,
        metavar="FILE",
        help="certificates of who vouches for the server (default: gRPC's own list)",
    )
    group.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="this client's certificate, with its chain"
    )
    group.add_argument(
        "--tls-name",
        metavar="NAME",
        help="the name in the server's certificate, where it is not the target's",
    )
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key")
    group.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"the token that the server knows the caller by (default: ${TOKEN_VARIABLE})",
    )


def read_tls(options: argparse.Namespace) -> grpc.ChannelCredentials | None:
    """Return what the flags say of TLS, `None` for none; raise `InvalidCredentialsError`."""
    files = (options.tls_ca, options.tls_cert, options.tls_key)
    if not (options.tls or options.tls_name or any(files)):
        return None
    if (options.tls_cert is None) != (options.tls_key is None):
        raise InvalidCredentialsError("--tls-cert and --tls-key go together")
    ca, certificate, key = map(_read, files)
    _check_files(*files)
    return grpc.ssl_channel_credentials(ca, key, certificate)


def read_options(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the options of a channel that the flags ask for."""
    return [("grpc.ssl_target_name_override", options.tls_name)] if options.tls_name else []


def read_token(options: argparse.Namespace, environment: Mapping[str, str]) -> str | None:
    """Return the token, `None` for none; raise `InvalidCredentialsError`."""
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
    """Say here that a file cannot be used; gRPC only says that it cannot connect."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca:
            context.load_verify_locations(ca)
        if certificate:
            context.load_cert_chain(certificate, key, password="")  # or it would ask for one
    except OSError as error:
        files = " and ".join(str(file) for file in (ca, certificate, key) if file)
        raise InvalidCredentialsError(f"cannot use {files}: {error}") from error
