"""Which version of the software runs, and what it calls itself."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "symbolon-grpc"


def software_version() -> str:
    """Return the version of the installed package."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def software_name() -> str:
    """Return what servers that are asked are told of this program."""
    return f"{DISTRIBUTION}/{software_version()}"
