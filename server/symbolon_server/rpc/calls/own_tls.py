"""TLS of the connections from the HTTP gateway to its own server."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OwnTls:
    """How to verify the server's certificate, and the client certificate to present."""

    name: str
    """The name in the server's certificate: the server is reached by its IP address."""

    authority: Path | None
    """CA bundle (PEM); None uses gRPC's default root certificates."""

    certificate: Path
    """The client certificate with its chain, used if the server requires one."""

    key: Path

    @property
    def files(self) -> list[Path]:
        """The files to follow."""
        return [file for file in (self.authority, self.certificate, self.key) if file is not None]
