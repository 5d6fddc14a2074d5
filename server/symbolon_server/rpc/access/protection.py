"""TLS and tokens that protect a server, and the check that a public one has them.

Certificates and keys are PEM files, reloaded when they change.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError
from symbolon_server.rpc.calls.reloaded import Reloaded, UnusableFileError, read_file


class TlsFiles(NamedTuple):
    """The files of certificate, key and CA, all PEM."""

    certificate: Path
    """With its chain, up to a CA that clients trust."""

    key: Path

    client_authority: Path | None = None
    """CA bundle for client certificates; None: clients need no certificate."""

    @property
    def all(self) -> tuple[Path, ...]:
        """All files that are configured."""
        own = (self.certificate, self.key)
        return own if self.client_authority is None else (*own, self.client_authority)


class Pems(NamedTuple):
    """What the files contain."""

    key: bytes
    certificate: bytes
    client_authority: bytes | None


class Certificates:
    """The certificates in the latest valid files."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; raise `UnusableFileError`."""
        self._files = files
        self._reloaded = Reloaded(files.all, self._read)

    @property
    def authenticate_clients(self) -> bool:
        """Whether clients must present a certificate from the CA."""
        return self._files.client_authority is not None

    def read_again(self) -> None:
        """Reload the files, even if they seem unchanged."""
        self._reloaded.read_again()

    @property
    def pems(self) -> Pems:
        """What the files contained when they were last valid; another object after each reload."""
        return self._reloaded.value

    def refresh(self) -> None:
        """Reload the files if they have changed."""
        self._reloaded.refresh()

    def _read(self) -> Pems:
        authority = self._files.client_authority
        pems = Pems(
            read_file(self._files.key),
            read_file(self._files.certificate),
            read_file(authority) if authority else None,
        )
        _check(self._files)
        return pems


def _check(files: TlsFiles) -> None:
    """Raise `UnusableFileError` for errors that gRPC would only report at the first connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password="")  # never prompts for one
    except OSError as error:
        names = f"{files.certificate} with {files.key}"
        raise UnusableFileError(f"cannot use {names}: {error}") from error
    if files.client_authority is None:
        return
    try:
        context.load_verify_locations(files.client_authority)
    except OSError as error:
        raise UnusableFileError(f"cannot use {files.client_authority}: {error}") from error


@dataclass(frozen=True, slots=True)
class Protection:
    """What callers must present; by default, nothing."""

    certificates: Certificates | None = None
    """None: connections are not encrypted."""

    tokens: Tokens | None = None
    """None: calls need no token."""

    allow_insecure_public: bool = False
    """Whether the server may be public without protection of its own."""

    def read_again(self) -> None:
        """Reload the files; an invalid file is logged and ignored."""
        for part in (self.certificates, self.tokens):
            if part is not None:
                part.read_again()

    def find_gap(self) -> str | None:
        """Return what a server that others can reach lacks, or None."""
        if self.certificates is None:
            return "it has no protection" if self.tokens is None else "tokens are sent unencrypted"
        if self.tokens is None and not self.certificates.authenticate_clients:
            return "it needs neither tokens nor client certificates"
        return None

    def __str__(self) -> str:
        """Return the protection for a person; empty without any."""
        certificates, tokens = self.certificates, self.tokens
        parts = {
            "TLS": certificates is not None,
            "client certificates": certificates and certificates.authenticate_clients,
            _describe_tokens(tokens): tokens is not None,
        }
        return ", ".join(part for part, is_there in parts.items() if is_there)


def _describe_tokens(tokens: Tokens | None) -> str:
    count = len(tokens or ())
    return f"{count} token{'' if count == 1 else 's'}"


def check_address(listen: ListenAddress, protection: Protection) -> None:
    """Raise `ListenError` for a public address without protection, unless that is allowed."""
    gap = protection.find_gap()
    if gap is None or protection.allow_insecure_public or listen.is_loopback():
        return
    raise ListenError(
        f"other machines can reach {listen}, and {gap}: listen on 127.0.0.1, or set "
        "SYMBOLON_TLS_CERT and SYMBOLON_TLS_KEY with SYMBOLON_AUTH_TOKENS_FILE or "
        "SYMBOLON_TLS_CLIENT_CA, or pass --allow-insecure-public "
        "(SYMBOLON_ALLOW_INSECURE_PUBLIC=true)"
    )
