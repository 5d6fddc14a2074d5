"""`symbolon-server worker`: takes ingests from the queue, one at a time."""

from symbolon_server.app import StartError
from symbolon_server.app.wiring.redis_connections import has_embedded, refuse_bad_urls
from symbolon_server.app.wiring.suppliers import sources_of
from symbolon_server.app.wiring.tracing import refuse_bad_tracing
from symbolon_server.settings import Settings


def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; raise `StartError`."""
    _refuse_bad_settings(settings)
    # Imported here: a process that only watches a worker does not need what the worker does.
    if settings.metrics_listen is None:
        from symbolon_server.app.programs.worker_process import run  # noqa: PLC0415 # see above
    else:
        from symbolon_server.app.programs.worker_child import (  # noqa: PLC0415 # see above
            watch_worker as run,
        )
    run(settings)


def _refuse_bad_settings(settings: Settings) -> None:
    sources_of(settings)  # raises for unusable ones
    refuse_bad_urls(settings)
    refuse_bad_tracing(settings)
    if has_embedded(settings):
        raise StartError(
            "a worker needs the Redis servers of the server that it works for: set "
            "SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL to their URLs"
        )
