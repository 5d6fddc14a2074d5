"""The table of all settings: variables, flags, help and documentation come from it."""

from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from platformdirs import user_cache_path, user_data_path

from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import kinds
from symbolon_server.settings.kinds import Kind, at_least, optional, size

PREFIX = "SYMBOLON_"

_T = TypeVar("_T")
_SETTING = "setting"
_MIB, _GIB = 1024**2, 1024**3


class Group(Enum):
    """The groups of settings, in the order of the documentation."""

    SERVING = "Serving"
    CALLERS = "TLS and authentication"
    HTTP = "HTTP gateway"
    LIMITS = "Limits of a request"
    MEMORY = "Memory and disk"
    REDIS = "Redis servers"
    SUPPLIERS = "Suppliers"
    INGEST = "Ingest and failures"
    WATCHING = "Telemetry"


INGEST_GROUPS = (Group.SUPPLIERS, Group.INGEST, Group.MEMORY)
"""Those that matter wherever modules are ingested."""


class Row(NamedTuple):
    """One setting: its name, its default and its documentation."""

    name: str
    default: Any
    group: Group
    kind: Kind
    help: str

    default_text: str
    """The default as the documentation shows it."""

    is_secret: bool
    """The value may contain a password, so it is never shown."""

    @property
    def variable(self) -> str:
        """The environment variable: `SYMBOLON_MEMORY_BYTES`."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The flag: `--memory-bytes`."""
        return "--" + self.name.replace("_", "-")


def _setting(
    group: Group, kind: Kind, default: _T, text: str, *, shown: str = "", is_secret: bool = False
) -> _T:
    """Return the field of a setting; `shown` replaces its default in the documentation."""
    shown = shown or kind.show(default)
    values = {_SETTING: (group, kind, text, shown, is_secret)}
    return field(default=default, metadata=values, repr=not is_secret)


_serving = partial(_setting, Group.SERVING)
_callers = partial(_setting, Group.CALLERS)
_http = partial(_setting, Group.HTTP)
_limits = partial(_setting, Group.LIMITS)
_memory = partial(_setting, Group.MEMORY)
_redis = partial(_setting, Group.REDIS)
_suppliers = partial(_setting, Group.SUPPLIERS)
_ingest = partial(_setting, Group.INGEST)
_watching = partial(_setting, Group.WATCHING)

_SECONDS = kinds.seconds(above_zero=True)
_SECONDS_OR_0 = kinds.seconds(above_zero=False)
_FILE = optional(kinds.FILE, "off")
_SWITCH, _AUTO = kinds.SWITCH, optional(kinds.SWITCH, "auto")
_FREE_ADDRESS = optional(kinds.ADDRESS, "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of all settings, each valid by itself."""

    listen: ListenAddress = _serving(
        kinds.ADDRESS,
        ListenAddress("127.0.0.1", 50051),
        "Listen address of gRPC; port 0 takes any free port.",
    )
    processes: int = _serving(
        at_least(1), 1, "Serving processes that share the port; use about one per core."
    )
    one_core: bool | None = _serving(
        _AUTO,
        None,
        "Pin the threads of each serving process to a core of its own, where they switch "
        "fastest; auto: if the process has a cpuset, or is not in a container.",
    )
    threads: int = _serving(
        at_least(2),
        64,
        "Threads per process that answer calls; at most half of them wait for ingests.",
    )
    max_calls_in_flight: int = _serving(
        at_least(1),
        256,
        "Calls that one process accepts at a time; further calls fail with RESOURCE_EXHAUSTED.",
    )
    max_streams: int = _serving(
        at_least(1),
        32,
        "Streams that one process serves at a time, at most half of them for one caller; "
        "further streams fail with RESOURCE_EXHAUSTED.",
    )
    stream_idle_seconds: float = _serving(
        _SECONDS,
        60.0,
        "Idle time after which a stream ends: its caller sends nothing, or reads nothing "
        "while all streams are in use.",
    )
    max_connection_idle_seconds: float | None = _serving(
        optional(_SECONDS, "off"),
        300.0,
        "Idle time after which a connection without calls is closed; clients reconnect.",
    )
    max_connection_age_seconds: float | None = _serving(
        optional(_SECONDS, "off"),
        None,
        "Age after which a connection accepts no more calls, so that load balancers can "
        "spread it; calls and streams in flight continue.",
    )
    open_files: int | None = _serving(
        optional(at_least(64), "auto"),
        None,
        "Open file descriptors per process, one for each connection; auto: as many as the "
        "system allows.",
    )
    message_seconds: float = _serving(
        _SECONDS, 10.0, "Time for the message of a call to arrive before the call is ended."
    )
    shutdown_grace_seconds: float = _serving(
        _SECONDS_OR_0, 25.0, "Time for calls in flight to finish after SIGTERM."
    )
    tls_cert: Path | None = _callers(
        _FILE, None, "Server certificate with its chain (PEM); reloaded when it changes."
    )
    tls_key: Path | None = _callers(_FILE, None, "Private key of the server certificate (PEM).")
    tls_client_ca: Path | None = _callers(
        _FILE,
        None,
        "CA bundle (PEM) for client certificates; clients without a certificate from it are "
        "rejected.",
    )
    auth_tokens_file: Path | None = _callers(
        _FILE,
        None,
        "File of accepted tokens, one `name permissions hash` per line; reloaded when it changes.",
    )
    reflection: bool = _callers(_SWITCH, True, "Offer server reflection, which grpcurl uses.")
    allow_insecure_public: bool = _callers(
        _SWITCH,
        False,
        "Listen on an address that other machines can reach, without TLS or authentication.",
    )
    http: ListenAddress | None = _http(
        _FREE_ADDRESS,
        None,
        "Listen address of the HTTP gateway, such as 127.0.0.1:8080, for clients that cannot "
        "use gRPC.",
    )
    http_hosts: tuple[str, ...] = _http(
        kinds.HOSTS,
        (),
        "Host names that requests may use, besides loopback names and the listen address.",
        shown="none",
    )
    http_origins: tuple[str, ...] = _http(
        kinds.ORIGINS,
        (),
        "Origins whose pages may call the gateway (CORS), such as https://profiler.firefox.com.",
        shown="none",
    )
    http_source_links: tuple[str, ...] = _http(
        kinds.SOURCE_LINKS,
        (),
        "Where the page finds source files of a host of version control, such as "
        "git.example.com=https://git.example.com/{repository}/blob/{revision}/{path}#L{line}.",
        shown="hg.mozilla.org, github.com, gitlab.com",
    )
    http_server_name: str | None = _http(
        optional(kinds.NAME, "off"),
        None,
        "Name in SYMBOLON_TLS_CERT that the gateway expects of the server; required with TLS.",
    )
    http_server_ca: Path | None = _http(
        _FILE,
        None,
        "CA bundle (PEM) that the gateway checks SYMBOLON_TLS_CERT with; off: gRPC's default CAs.",
    )
    max_modules: int = _limits(at_least(1), 5000, "Modules per request.")
    max_frames: int = _limits(at_least(1), 200000, "Frames per request, and stacks per request.")
    max_request_bytes: int = _limits(
        size(1024), 16 * _MIB, "Size of a request on the wire, after decompression."
    )
    max_wait_seconds: float = _limits(
        _SECONDS_OR_0, 60.0, "Longest time that a call waits for modules that are not ready."
    )
    deadline_margin_seconds: float = _limits(
        _SECONDS_OR_0,
        0.2,
        "Time before its deadline at which a waiting call is answered with what is known.",
    )
    memory_bytes: int = _memory(
        size(_MIB), 256 * _MIB, "Memory per serving process for pages and remembered frames."
    )
    max_unread_bytes: int = _memory(
        size(_MIB),
        256 * _MIB,
        "Memory per serving process for answers that callers have not read yet, half of it for "
        "one caller; beyond it calls fail with RESOURCE_EXHAUSTED.",
    )
    spool_dir: Path = _memory(
        kinds.FOLDER,
        user_cache_path("symbolon") / "spool",
        "Folder of the spool's page files, shared by one user's processes on a host.",
        shown="`symbolon/spool` in the user's cache folder",
    )
    spool_bytes: int = _memory(
        size(0),
        4 * _GIB,
        "Size of the spool; the least recently used page files are removed first. 0 disables it.",
    )
    data_dir: Path = _memory(
        kinds.FOLDER,
        user_data_path("symbolon"),
        "Folder of the embedded Redis servers, for the cache's append-only file.",
        shown="`symbolon` in the user's data folder",
    )
    store_url: str = _redis(
        kinds.STORE_URL,
        kinds.EMBEDDED,
        "Redis server or cluster of the store, which holds pages and may evict them.",
        is_secret=True,
    )
    cache_url: str = _redis(
        kinds.REDIS_URL,
        kinds.EMBEDDED,
        "Redis server of the cache, which holds the queue and failures and must not evict.",
        is_secret=True,
    )
    redis_timeout_seconds: float = _redis(
        _SECONDS, 0.4, "Timeout of one request to a Redis server."
    )
    allow_unbounded_store: bool = _redis(
        _SWITCH, False, "Start even if the store has no `maxmemory` or does not evict."
    )
    allow_evicting_cache: bool = _redis(
        _SWITCH, False, "Start even if the cache evicts and can lose queued work."
    )
    allow_shared_redis: bool = _redis(
        _SWITCH, False, "Start even if store and cache are the same server."
    )
    suppliers: tuple[str, ...] = _suppliers(
        kinds.LIST,
        (),
        "Directories, http(s) URLs and buckets (`s3://`) with symbol files or native files, tried "
        "in this order, each with its options after a `#`, and sources files (`.toml`). If empty, "
        "`DEBUGINFOD_URLS` is used.",
        shown="none",
        is_secret=True,
    )
    supplier_headers_file: Path | None = _suppliers(
        _FILE,
        None,
        "File of request headers for suppliers, one `URL name: value` per line; read at start-up.",
    )
    supplier_connect_seconds: float = _suppliers(
        _SECONDS, 5.0, "Timeout for connecting to a symbol server, TLS included."
    )
    supplier_read_seconds: float = _suppliers(
        _SECONDS, 20.0, "Longest pause between two parts of a supplier's response."
    )
    supplier_total_seconds: float = _suppliers(
        _SECONDS, 300.0, "Longest time for one file from one supplier, over all attempts."
    )
    max_fetched_bytes: int = _suppliers(
        size(1024),
        2 * _GIB,
        "Largest file as sent, compressed or not; larger files are malformed.",
    )
    max_unpacked_bytes: int = _suppliers(
        size(1024),
        8 * _GIB,
        "Largest file after decompression; larger files are malformed. So are files of over 64 MiB "
        "that are over 100 times as large as what they were unpacked from.",
    )
    fetch_dir: Path | None = _ingest(
        optional(kinds.FOLDER, "system"),
        None,
        "Folder for native files such as ELF and PDB while they are read; system: the one for "
        "temporary files. It needs room for the largest one, unpacked, for each worker, and for "
        "the cabinet that it came in.",
    )
    ingest_memory_bytes: int = _ingest(
        size(256 * _MIB),
        4 * _GIB,
        "Address space of one ingest, besides a native file; an ingest that needs more fails.",
    )
    ingest_seconds: float = _ingest(
        _SECONDS, 600.0, "Longest time for one ingest, both wall-clock and processor time."
    )
    worker_stop_seconds: float = _ingest(
        _SECONDS_OR_0, 10.0, "Time for an ingest to finish after its worker received SIGTERM."
    )
    demangle: bool = _ingest(_SWITCH, True, "Demangle C++ and Rust names during ingest.")
    max_queued_modules: int = _ingest(
        at_least(1),
        100000,
        "Modules that may be queued for ingest, at most half of them for calls that do not wait, "
        "and as many prefetches. In a full queue each caller may have a thousandth of them.",
    )
    missing_seconds: float = _ingest(
        _SECONDS, 60.0, "How long a module that no supplier has is remembered as missing."
    )
    malformed_seconds: float = _ingest(
        _SECONDS,
        3600.0,
        "How long a module with an unreadable file is remembered as malformed.",
    )
    unavailable_seconds: float = _ingest(
        _SECONDS,
        5.0,
        "How long a supplier's first failure is remembered; doubled with each further failure.",
    )
    unavailable_max_seconds: float = _ingest(
        _SECONDS, 60.0, "Longest time that a supplier's failure is remembered."
    )
    worker: bool | None = _ingest(
        _AUTO,
        None,
        "Whether `serve` also runs a local worker; auto: if a Redis server is embedded.",
    )
    metrics_listen: ListenAddress | None = _watching(
        _FREE_ADDRESS,
        None,
        "Listen address of Prometheus metrics and of the probes `/livez` and `/readyz` over HTTP, "
        "such as 127.0.0.1:9464.",
    )
    log_format: str = _watching(kinds.one_of(("text", "json")), "text", "Format of log lines.")
    log_level: str = _watching(
        kinds.one_of(("debug", "info", "warning", "error")),
        "info",
        "Least severe level that is logged.",
    )
    log_calls: bool = _watching(
        _SWITCH, False, "Log each call: method, status code, token name, duration, request id."
    )
    tracing: bool = _watching(
        _SWITCH,
        False,
        "Send traces by OTLP over HTTP, as the variables `OTEL_*` of OpenTelemetry configure it; "
        "needs the extra `tracing`.",
    )

    def as_environment(self) -> dict[str, str]:
        """Return the variables that pass these settings to another process, secrets included."""
        return {row.variable: row.kind.show(getattr(self, row.name)) for row in rows()}


@cache
def rows() -> tuple[Row, ...]:
    """Return all settings in the order of declaration."""
    return tuple(
        Row(entry.name, entry.default, *entry.metadata[_SETTING]) for entry in fields(Settings)
    )
