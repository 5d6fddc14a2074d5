"""What keeps strangers out, as the settings say."""

from symbolon_server.app.process.errors import StartError
from symbolon_server.rpc.access.certificates import Certificates, TlsFiles
from symbolon_server.rpc.access.protection import Protection
from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.reloaded import UnusableFileError
from symbolon_server.settings import Settings


def protection_of(settings: Settings) -> Protection:
    """Return what is asked of who calls; raise `StartError` for files that cannot be used."""
    return Protection(
        _certificates_of(settings), _tokens_of(settings), settings.allow_insecure_public
    )


def _certificates_of(settings: Settings) -> Certificates | None:
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None and key is None and settings.tls_client_ca is None:
        return None
    if certificate is None or key is None:
        raise StartError("TLS needs both SYMBOLON_TLS_CERT and SYMBOLON_TLS_KEY")
    try:
        return Certificates(TlsFiles(certificate, key, settings.tls_client_ca))
    except UnusableFileError as error:
        raise StartError(f"SYMBOLON_TLS_*: {error}") from error


def _tokens_of(settings: Settings) -> Tokens | None:
    if settings.auth_tokens_file is None:
        return None
    try:
        return Tokens(settings.auth_tokens_file)
    except UnusableFileError as error:
        raise StartError(f"SYMBOLON_AUTH_TOKENS_FILE: {error}") from error
