"""The program of one of several serving processes that share a port."""

import os
import sys

from symbolon_server.app.process.children import report_ready
from symbolon_server.app.process.collector import pause_collector
from symbolon_server.app.process.heap import keep_freed_memory
from symbolon_server.app.process.signals import Signals
from symbolon_server.rpc.access.forwarding import SECRET_VARIABLE
from symbolon_server.settings import read_settings
from symbolon_server.telemetry.logs import LogFormat, configure_logs
from symbolon_server.telemetry.metrics import BEFORE_READING
from symbolon_server.telemetry.pulse import PATIENCE_SECONDS, Condition, Pulse

_TELL_SECONDS = 1.0
"""How often metrics and pulse are updated in the files that another process reads."""


def main() -> int:
    """Serve with the settings in the environment until SIGTERM; return the exit code."""
    pause_collector()
    keep_freed_memory()  # before anything is imported that starts threads
    from symbolon_server.app.programs.server_process import start_server_process  # noqa: PLC0415

    settings = read_settings({}, os.environ)
    configure_logs(sys.stderr, LogFormat(settings.log_format), settings.log_level)
    pulse = Pulse.for_parent()
    with Signals() as signals:
        process, _ = start_server_process(
            settings, is_port_shared=True, gateway_secret=os.environ.get(SECRET_VARIABLE, "")
        )
        signals.on_hang_up = process.reload
        signals.on_stop_near = process.begin_to_stop
        pulse.beat(process.condition())
        report_ready()
        while not signals.wait(_TELL_SECONDS):
            BEFORE_READING.call_all()
            pulse.beat(process.condition())
        pulse.beat(Condition.STOPPING, settings.shutdown_grace_seconds + PATIENCE_SECONDS)
        process.stop()
        BEFORE_READING.call_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
