"""The program of the HTTP gateway."""

import os
import sys

from symbolon_server.app.process.collector import pause_collector
from symbolon_server.settings import read_settings
from symbolon_server.telemetry.logs import LogFormat, configure_logs


def main() -> None:
    """Serve with the settings in the environment until SIGTERM."""
    pause_collector()
    from symbolon_server.app.programs.gateway_process import run_gateway  # noqa: PLC0415 # see above

    settings = read_settings({}, os.environ)
    configure_logs(sys.stderr, LogFormat(settings.log_format), settings.log_level)
    run_gateway(settings)


if __name__ == "__main__":
    main()
