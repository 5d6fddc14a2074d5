"""The server's certificate, and the CA of its clients' certificates."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from symbolon_server.rpc.calls.reloaded import Reloaded, UnusableFileError, read_file


@dataclass(frozen=True, slots=True)
class TlsFiles:
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


class Certificates:
    """The certificates in the files. New connections get the ones of the latest valid files."""

    def __init__(self, files: TlsFiles) -> None:
        """Read the files; raise `UnusableFileError`."""
        self._files = files
        self._reloaded = Reloaded(files.all, self._read)
        self._given = self._reloaded.value

    @property
    def authenticate_clients(self) -> bool:
        """Whether clients must present a certificate from the CA."""
        return self._files.client_authority is not None

    def read_again(self) -> None:
        """Reload the files, even if they seem unchanged."""
        self._reloaded.read_again()

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return the credentials for a secure port."""
        return grpc.dynamic_ssl_server_credentials(
            self._reloaded.value,
            self._fetch,  # type: ignore[arg-type] # the stubs know no None, which means no change
            self.authenticate_clients,
        )

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Return a new configuration, or None if it is unchanged; gRPC asks at each connection."""
        self._reloaded.refresh()
        value = self._reloaded.value
        if value is self._given:
            return None
        self._given = value
        return value

    def _read(self) -> grpc.ServerCertificateConfiguration:
        authority = self._files.client_authority
        pair = (read_file(self._files.key), read_file(self._files.certificate))
        roots = read_file(authority) if authority else None
        _check(self._files)
        return grpc.ssl_server_certificate_configuration([pair], roots)


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
