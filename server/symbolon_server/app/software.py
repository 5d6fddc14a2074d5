"""Which version of the software runs."""

from importlib.metadata import PackageNotFoundError, version


def software_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("symbolon-grpc")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
