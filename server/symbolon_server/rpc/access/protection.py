"""What keeps strangers out of a server that they can reach."""

from dataclasses import dataclass

from symbolon_server.rpc.access.certificates import Certificates
from symbolon_server.rpc.access.tokens import Tokens
from symbolon_server.rpc.calls.addresses import ListenAddress, ListenError


@dataclass(frozen=True, slots=True)
class Protection:
    """What is asked of who calls; by itself, nothing."""

    certificates: Certificates | None = None
    """None: connections are not encrypted."""

    tokens: Tokens | None = None
    """None: calls need no token."""

    allow_insecure_public: bool = False
    """Something else protects the server, or nothing needs to."""

    def read_again(self) -> None:
        """Read the files again; those that cannot be used change nothing but the log."""
        for part in (self.certificates, self.tokens):
            if part is not None:
                part.read_again()

    def find_gap(self) -> str | None:
        """Return what is missing where others can reach the server, None when nothing is."""
        if self.certificates is None:
            return "nothing protects it" if self.tokens is None else "tokens can be read on the way"
        if self.tokens is None and not self.certificates.authenticate_clients:
            return "everybody may call"
        return None

    def __str__(self) -> str:
        """Return what there is, for a person; empty for nothing."""
        certificates, tokens = self.certificates, self.tokens
        parts = {
            "TLS": certificates is not None,
            "certificates of clients": certificates and certificates.authenticate_clients,
            _describe_tokens(tokens): tokens is not None,
        }
        return ", ".join(part for part, is_there in parts.items() if is_there)


def _describe_tokens(tokens: Tokens | None) -> str:
    count = len(tokens or ())
    return f"{count} token{'' if count == 1 else 's'}"


def check_address(listen: ListenAddress, protection: Protection) -> None:
    """Raise `ListenError` for an address that others reach, unless that is safe or wanted."""
    gap = protection.find_gap()
    if gap is None or protection.allow_insecure_public or listen.is_loopback():
        return
    raise ListenError(
        f"{listen} can be reached from other machines and {gap}: listen on 127.0.0.1, or set "
        "SYMBOLON_TLS_CERT and SYMBOLON_TLS_KEY with SYMBOLON_AUTH_TOKENS_FILE or "
        "SYMBOLON_TLS_CLIENT_CA, or say --allow-insecure-public "
        "(SYMBOLON_ALLOW_INSECURE_PUBLIC=true)"
    )
