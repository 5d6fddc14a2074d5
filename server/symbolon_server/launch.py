"""The entry point of `symbolon-server`: starts the command line if its packages are installed."""

import sys

_PACKAGES_OF_OURS = ("symbolon", "symbolon_server")


def main() -> int:
    """Run a command and return its exit code; without the extra `server`, print advice.

    The client alone installs this command, too: a wheel cannot tie a command to an extra.
    """
    try:
        from symbolon_server.__main__ import main as run  # noqa: PLC0415 # this needs the extra
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in _PACKAGES_OF_OURS:
            raise
        sys.stderr.write(
            f"symbolon-server: the package {package} is not installed: install the extra 'server', "
            "by pip install '.[server]' in a checkout or pip install 'WHEEL[server]' from a wheel\n"
        )
        return 1
    return run()
