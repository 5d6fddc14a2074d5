"""Which version of the client is installed."""

from importlib.metadata import PackageNotFoundError, version


def find_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("symbolon-grpc")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
