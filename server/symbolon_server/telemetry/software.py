"""Name and version of the software."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "symbolon-grpc"


def software_version() -> str:
    """Return the version of the installed package."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # a checkout that is not installed
        return "unknown"


def software_name() -> str:
    """Return the name and version for the User-Agent header."""
    return f"{DISTRIBUTION}/{software_version()}"
