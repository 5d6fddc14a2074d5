"""TLS and authentication, from the settings."""

from symbolon_server.app import StartError
from symbolon_server.rpc.access.protection import Certificates, Protection, TlsFiles
from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.own_tls import OwnTls
from symbolon_server.rpc.calls.reloaded import UnusableFileError
from symbolon_server.settings import Settings


def protection_of(settings: Settings) -> Protection:
    """Return the required certificates and tokens; raise `StartError` for unusable files."""
    return Protection(
        _certificates_of(settings), _tokens_of(settings), settings.allow_insecure_public
    )


def tls_of(settings: Settings) -> OwnTls | None:
    """Return how the gateway connects to the server, None without TLS.

    Raises `StartError` for incomplete settings.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    if settings.http_server_name is None:
        raise StartError(
            "SYMBOLON_HTTP with TLS needs SYMBOLON_HTTP_SERVER_NAME: a name in the certificate "
            "SYMBOLON_TLS_CERT"
        )
    return OwnTls(
        settings.http_server_name, settings.http_server_ca, settings.tls_cert, settings.tls_key
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
