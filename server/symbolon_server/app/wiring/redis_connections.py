"""The two Redis servers: embedded ones are started here, given ones are checked."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from symbolon_server.app import StartError
from symbolon_server.redis_servers.cluster import connect_store
from symbolon_server.redis_servers.embedded import (
    EmbeddedOptions,
    EmbeddedRedis,
    EmbeddedRedisError,
    default_run_folder,
)
from symbolon_server.redis_servers.server_programs import (
    CACHE_CONFIGURATION,
    STORE_CONFIGURATION,
    NoServerProgramError,
)
from symbolon_server.redis_servers.servers import InvalidRedisUrlError, Timeouts, connect
from symbolon_server.redis_servers.setup_checks import (
    ProblemKind,
    SetupProblem,
    ask_server,
    find_problems,
)
from symbolon_server.settings import Settings
from symbolon_server.settings.kinds import EMBEDDED


def has_embedded(settings: Settings) -> bool:
    """Return whether one of the two servers is embedded."""
    return EMBEDDED in {settings.store_url, settings.cache_url}


class RedisServers:
    """The embedded servers that the settings ask for, until `close`."""

    def __init__(self, settings: Settings, *, is_private: bool = False) -> None:
        """Start them, from the main thread; raise `StartError`, also for invalid URLs.

        If `is_private`, they leave nothing behind: the cache's data is not kept, and
        `make redis-store-cli` and `make redis-cache-cli` do not find them.
        """
        self._run_folder = None if is_private else default_run_folder()
        data_folder = None if is_private else settings.data_dir / "cache"
        self._running: list[EmbeddedRedis] = []
        refuse_bad_urls(settings)
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self.settings = replace(
                settings,
                store_url=self._url(settings.store_url, STORE_CONFIGURATION, EmbeddedOptions()),
                cache_url=self._url(
                    settings.cache_url,
                    CACHE_CONFIGURATION,
                    EmbeddedOptions(data_folder=data_folder),
                ),
            )
            on_failure.pop_all()

    settings: Settings
    """The settings, with the URLs of the servers that run."""

    def find_folder(self) -> Path:
        """Return a folder for sockets, private to this user, which is removed with the servers.

        Raises `ValueError` if none is embedded.
        """
        if not self._running:
            raise ValueError("no server is embedded")
        return self._running[0].folder

    def find_dead(self) -> bool:
        """Return whether an embedded server has ended unexpectedly."""
        return not all(server.is_running() for server in self._running)

    def close(self) -> None:
        """Stop the embedded servers."""
        for server in reversed(self._running):
            server.close()

    def _url(self, url: str, configuration: str, options: EmbeddedOptions) -> str:
        if url != EMBEDDED:
            return url
        options = replace(options, run_folder=self._run_folder)
        try:
            server = EmbeddedRedis.start(configuration, options)
        except (EmbeddedRedisError, NoServerProgramError, OSError) as error:
            hint = " (the setting is SYMBOLON_DATA_DIR)" if options.data_folder else ""
            raise StartError(f"{error}{hint}") from error
        self._running.append(server)
        return server.url


def timeouts_of(settings: Settings) -> Timeouts:
    """Return the timeouts of Redis requests."""
    return Timeouts(settings.redis_timeout_seconds, settings.redis_timeout_seconds)


def refuse_bad_urls(settings: Settings) -> None:
    """Raise `StartError` for the invalid URL of a given server."""
    for variable, url, make in (
        ("SYMBOLON_STORE_URL", settings.store_url, connect_store),
        ("SYMBOLON_CACHE_URL", settings.cache_url, connect),
    ):
        try:
            if url != EMBEDDED:
                make(url).close()
        except InvalidRedisUrlError as error:
            raise StartError(f"{variable}: {error}") from error


def find_setup_problems(settings: Settings) -> list[SetupProblem]:
    """Return the problems of the two servers that no setting allows."""
    store = connect_store(settings.store_url, timeouts_of(settings))
    cache = connect(settings.cache_url, timeouts_of(settings))
    with store, cache:
        return find_problems(ask_server(store), ask_server(cache), allowed_problems(settings))


def allowed_problems(settings: Settings) -> set[ProblemKind]:
    """Return the kinds of problems that the settings allow."""
    allowed = {
        ProblemKind.UNBOUNDED_STORE: settings.allow_unbounded_store,
        ProblemKind.EVICTING_CACHE: settings.allow_evicting_cache,
        ProblemKind.SHARED_REDIS: settings.allow_shared_redis,
    }
    return {kind for kind, is_allowed in allowed.items() if is_allowed}


def refuse_bad_setup(settings: Settings) -> None:
    """Raise `StartError` with the problems of the two servers and how to fix them.

    A cluster may lack nodes: the others serve.
    """
    problems = find_setup_problems(settings)
    if bad := [problem for problem in problems if problem.kind is not ProblemKind.LOST_NODE]:
        raise StartError(*map(str, bad))
