"""TLS and tokens that protect a server, and the check that a public one has them."""

from dataclasses import dataclass

from symbolon_server.rpc.access.certificates import Certificates
from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError


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
