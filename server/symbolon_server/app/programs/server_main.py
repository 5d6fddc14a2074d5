"""One of several processes that answer calls on one port, as a program of its own."""

import os
import sys

from symbolon_server.app.process.malloc import keep_freed_memory
from symbolon_server.app.process.signals import Signals
from symbolon_server.rpc.access.forwarded import SECRET_VARIABLE
from symbolon_server.settings import read_settings
from symbolon_server.telemetry.logs import LogFormat, configure_logs
from symbolon_server.telemetry.metrics import BEFORE_READING

_METRICS_SECONDS = 1.0
"""How often the metrics are brought up to date, which another process reads from files."""

READY = "ready"
"""What the program writes to its output when it serves."""


def main() -> int:
    """Serve the settings of the environment until SIGTERM; return the exit code."""
    keep_freed_memory()  # before what starts threads is imported
    from symbolon_server.app.programs.server_process import start_server_process  # noqa: PLC0415

    settings = read_settings({}, os.environ)
    configure_logs(sys.stderr, LogFormat(settings.log_format), settings.log_level)
    with Signals() as signals:
        process, _ = start_server_process(
            settings, is_port_shared=True, gateway_secret=os.environ.get(SECRET_VARIABLE, "")
        )
        signals.on_hang_up = process.reload
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        while not signals.wait(_METRICS_SECONDS):
            BEFORE_READING.call_all()
        process.stop()
        BEFORE_READING.call_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
