"""The table of all settings: flags, variables, help and documentation come from it."""

from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from platformdirs import user_cache_path, user_data_path

from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.settings import kinds
from symbolon_server.settings.kinds import Kind

PREFIX = "SYMBOLON_"

_MIB = 1024**2
_GIB = 1024**3

_LISTEN = ListenAddress("127.0.0.1", 50051)
_SPOOL_DIR = user_cache_path("symbolon") / "spool"
_DATA_DIR = user_data_path("symbolon")
_OPTIONAL_FILE = kinds.optional(kinds.FILE, "off")


class Group(Enum):
    """What a setting is about; the order is that of the documentation."""

    SERVING = "Serving"
    CALLERS = "Who may call"
    HTTP = "The HTTP gateway"
    LIMITS = "Limits of a request"
    MEMORY = "Memory and disk"
    REDIS = "The two Redis servers"
    SUPPLIERS = "Suppliers"
    INGEST = "Ingest and failures"
    WATCHING = "Logs and metrics"


@dataclass(frozen=True, slots=True)
class Knob:
    """What a setting's annotation tells besides its type."""

    group: Group
    kind: Kind
    help: str

    default_text: str = ""
    """The default as the documentation shows it; empty: as the kind shows it."""

    is_secret: bool = False
    """Whether the value may hold a password, so that it is never shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of all settings, each valid by itself."""

    listen: Annotated[
        ListenAddress,
        Knob(Group.SERVING, kinds.ADDRESS, "Address to serve gRPC on; port 0 takes any free one."),
    ] = _LISTEN
    processes: Annotated[
        int,
        Knob(
            Group.SERVING,
            kinds.at_least(1),
            "Serving processes that share the port; about one per core.",
        ),
    ] = 1
    one_core: Annotated[
        bool | None,
        Knob(
            Group.SERVING,
            kinds.optional(kinds.SWITCH, "auto"),
            "Keep the threads of each serving process on one core of its own, where they take "
            "turns fastest; auto: where it has a cpuset, or is in no container.",
        ),
    ] = None
    threads: Annotated[
        int,
        Knob(
            Group.SERVING,
            kinds.at_least(2),
            "Threads of one process that answer calls; at most half of them wait for ingests.",
        ),
    ] = 64
    max_calls_in_flight: Annotated[
        int,
        Knob(
            Group.SERVING,
            kinds.at_least(1),
            "Calls one process accepts at a time; more are refused with RESOURCE_EXHAUSTED.",
        ),
    ] = 256
    max_streams: Annotated[
        int,
        Knob(
            Group.SERVING,
            kinds.at_least(1),
            "Streams one process holds at a time, half of them for one caller; more are refused "
            "with RESOURCE_EXHAUSTED.",
        ),
    ] = 32
    stream_idle_seconds: Annotated[
        float,
        Knob(
            Group.SERVING,
            kinds.seconds(above_zero=True),
            "Time after which a stream ends whose caller sends nothing, or reads nothing while all "
            "streams are taken.",
        ),
    ] = 60.0
    max_connection_idle_seconds: Annotated[
        float | None,
        Knob(
            Group.SERVING,
            kinds.optional(kinds.seconds(above_zero=True), "off"),
            "Time after which a connection without calls is closed; clients connect again.",
        ),
    ] = 300.0
    max_connection_age_seconds: Annotated[
        float | None,
        Knob(
            Group.SERVING,
            kinds.optional(kinds.seconds(above_zero=True), "off"),
            "Time after which a connection takes no more calls, so that load is spread anew; calls "
            "and streams go on.",
        ),
    ] = None
    open_files: Annotated[
        int | None,
        Knob(
            Group.SERVING,
            kinds.optional(kinds.at_least(64), "auto"),
            "Descriptors that a process may have open, one for each connection; auto: as many as "
            "the system allows.",
        ),
    ] = None
    message_seconds: Annotated[
        float,
        Knob(
            Group.SERVING,
            kinds.seconds(above_zero=True),
            "Time that the message of a call has to arrive; then the call ends.",
        ),
    ] = 10.0
    shutdown_grace_seconds: Annotated[
        float,
        Knob(
            Group.SERVING,
            kinds.seconds(above_zero=False),
            "Time that calls in flight have to finish after SIGTERM.",
        ),
    ] = 25.0
    tls_cert: Annotated[
        Path | None,
        Knob(
            Group.CALLERS,
            _OPTIONAL_FILE,
            "The server's certificate with its chain, as PEM; read again when it changes.",
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        Knob(Group.CALLERS, _OPTIONAL_FILE, "The key of the server's certificate, as PEM."),
    ] = None
    tls_client_ca: Annotated[
        Path | None,
        Knob(
            Group.CALLERS,
            _OPTIONAL_FILE,
            "Who vouches for clients, as PEM: only clients with such a certificate are served.",
        ),
    ] = None
    auth_tokens_file: Annotated[
        Path | None,
        Knob(
            Group.CALLERS,
            _OPTIONAL_FILE,
            "Tokens that may call, `name permissions hash` a line; read again when it changes.",
        ),
    ] = None
    reflection: Annotated[
        bool,
        Knob(Group.CALLERS, kinds.SWITCH, "Describe the API to callers, as grpcurl asks for."),
    ] = True
    allow_insecure_public: Annotated[
        bool,
        Knob(
            Group.CALLERS,
            kinds.SWITCH,
            "Serve an address that other machines can reach, although nothing protects it.",
        ),
    ] = False
    http: Annotated[
        ListenAddress | None,
        Knob(
            Group.HTTP,
            kinds.optional(kinds.ADDRESS, "off"),
            "Address to answer HTTP on, such as 127.0.0.1:8080, for who cannot speak gRPC.",
        ),
    ] = None
    http_hosts: Annotated[
        tuple[str, ...],
        Knob(
            Group.HTTP,
            kinds.HOSTS,
            "Names that the gateway is reached by, besides those of its own machine and address.",
            default_text="none",
        ),
    ] = ()
    http_origins: Annotated[
        tuple[str, ...],
        Knob(
            Group.HTTP,
            kinds.ORIGINS,
            "Origins whose pages may call the gateway, such as https://profiler.firefox.com.",
            default_text="none",
        ),
    ] = ()
    http_server_name: Annotated[
        str | None,
        Knob(
            Group.HTTP,
            kinds.optional(kinds.NAME, "off"),
            "A name in SYMBOLON_TLS_CERT, by which the gateway knows the server. Needed with TLS.",
        ),
    ] = None
    http_server_ca: Annotated[
        Path | None,
        Knob(
            Group.HTTP,
            _OPTIONAL_FILE,
            "Who vouches for SYMBOLON_TLS_CERT, as PEM; off: those whom gRPC knows by itself.",
        ),
    ] = None
    max_modules: Annotated[
        int, Knob(Group.LIMITS, kinds.at_least(1), "Modules a request may name.")
    ] = 5000
    max_frames: Annotated[
        int, Knob(Group.LIMITS, kinds.at_least(1), "Frames, and stacks, a request may have.")
    ] = 200000
    max_request_bytes: Annotated[
        int, Knob(Group.LIMITS, kinds.size(1024), "Size of a request on the wire, unpacked.")
    ] = 16 * _MIB
    max_wait_seconds: Annotated[
        float,
        Knob(
            Group.LIMITS,
            kinds.seconds(above_zero=False),
            "Longest time a call waits for modules that are not ready.",
        ),
    ] = 60.0
    deadline_margin_seconds: Annotated[
        float,
        Knob(
            Group.LIMITS,
            kinds.seconds(above_zero=False),
            "How long before its deadline a waiting call is answered with what is known.",
        ),
    ] = 0.2
    memory_bytes: Annotated[
        int,
        Knob(
            Group.MEMORY,
            kinds.size(_MIB),
            "Pages and remembered frames that one serving process holds.",
        ),
    ] = 256 * _MIB
    max_unread_bytes: Annotated[
        int,
        Knob(
            Group.MEMORY,
            kinds.size(_MIB),
            "Answers not yet read by their callers that one serving process holds, half of them "
            "of one caller; then calls are refused with RESOURCE_EXHAUSTED.",
        ),
    ] = 256 * _MIB
    spool_dir: Annotated[
        Path,
        Knob(
            Group.MEMORY,
            kinds.FOLDER,
            "Folder of page files, shared by the processes of one user on a host.",
            default_text="`symbolon/spool` in the user's cache folder",
        ),
    ] = _SPOOL_DIR
    spool_bytes: Annotated[
        int,
        Knob(
            Group.MEMORY,
            kinds.size(0),
            "Size of the spool; the longest unused page files go first. 0: no spool.",
        ),
    ] = 4 * _GIB
    data_dir: Annotated[
        Path,
        Knob(
            Group.MEMORY,
            kinds.FOLDER,
            "Folder of the embedded Redis servers: the cache's append-only file.",
            default_text="`symbolon` in the user's data folder",
        ),
    ] = _DATA_DIR
    store_url: Annotated[
        str,
        Knob(
            Group.REDIS,
            kinds.REDIS_URL,
            "The Redis that holds pages and may forget them.",
            is_secret=True,
        ),
    ] = field(default=kinds.EMBEDDED, repr=False)
    cache_url: Annotated[
        str,
        Knob(
            Group.REDIS,
            kinds.REDIS_URL,
            "The Redis that holds failures and the queue and must not forget.",
            is_secret=True,
        ),
    ] = field(default=kinds.EMBEDDED, repr=False)
    redis_timeout_seconds: Annotated[
        float,
        Knob(
            Group.REDIS,
            kinds.seconds(above_zero=True),
            "How long one request to a Redis may take before it counts as failed.",
        ),
    ] = 0.4
    allow_unbounded_store: Annotated[
        bool,
        Knob(
            Group.REDIS,
            kinds.SWITCH,
            "Start although the store has no `maxmemory` or does not evict.",
        ),
    ] = False
    allow_evicting_cache: Annotated[
        bool,
        Knob(
            Group.REDIS, kinds.SWITCH, "Start although the cache evicts and can lose queued work."
        ),
    ] = False
    allow_shared_redis: Annotated[
        bool, Knob(Group.REDIS, kinds.SWITCH, "Start although store and cache are the same server.")
    ] = False
    suppliers: Annotated[
        tuple[str, ...],
        Knob(
            Group.SUPPLIERS,
            kinds.LIST,
            "Directories and http(s) URLs that have symbol files, asked in this order, each with "
            "options of its own behind a `#`.",
            default_text="none",
            is_secret=True,
        ),
    ] = field(default=(), repr=False)
    supplier_headers_file: Annotated[
        Path | None,
        Knob(
            Group.SUPPLIERS,
            _OPTIONAL_FILE,
            "File of headers for single suppliers, `URL name: value` a line; read at the start.",
        ),
    ] = None
    supplier_connect_seconds: Annotated[
        float,
        Knob(
            Group.SUPPLIERS,
            kinds.seconds(above_zero=True),
            "Longest time for a connection to a symbol server, TLS included.",
        ),
    ] = 5.0
    supplier_read_seconds: Annotated[
        float,
        Knob(
            Group.SUPPLIERS,
            kinds.seconds(above_zero=True),
            "Longest time between two pieces of a supplier's answer.",
        ),
    ] = 20.0
    supplier_total_seconds: Annotated[
        float,
        Knob(
            Group.SUPPLIERS,
            kinds.seconds(above_zero=True),
            "Longest time for one symbol file from one supplier, all attempts together.",
        ),
    ] = 300.0
    max_fetched_bytes: Annotated[
        int,
        Knob(
            Group.SUPPLIERS,
            kinds.size(1024),
            "Largest symbol file as sent, compressed or not; a larger one is malformed.",
        ),
    ] = 2 * _GIB
    max_unpacked_bytes: Annotated[
        int,
        Knob(
            Group.SUPPLIERS,
            kinds.size(1024),
            "Largest symbol file as text; a larger one is malformed.",
        ),
    ] = 8 * _GIB
    ingest_memory_bytes: Annotated[
        int,
        Knob(
            Group.INGEST,
            kinds.size(256 * _MIB),
            "Address space that one ingest may take; an ingest that wants more fails.",
        ),
    ] = 4 * _GIB
    ingest_seconds: Annotated[
        float,
        Knob(
            Group.INGEST,
            kinds.seconds(above_zero=True),
            "Longest time for one ingest, by the clock and of processor time.",
        ),
    ] = 600.0
    worker_stop_seconds: Annotated[
        float,
        Knob(
            Group.INGEST,
            kinds.seconds(above_zero=False),
            "Time that an ingest has to finish after its worker got SIGTERM.",
        ),
    ] = 10.0
    demangle: Annotated[
        bool,
        Knob(
            Group.INGEST,
            kinds.SWITCH,
            "Demangle the names of C++ and Rust as modules are ingested.",
        ),
    ] = True
    max_queued_modules: Annotated[
        int,
        Knob(
            Group.INGEST,
            kinds.at_least(1),
            "Modules that may wait to be ingested, at most half of them for calls that do not wait,"
            " and as many prefetches; beyond that a caller may have a thousandth of them in line.",
        ),
    ] = 100000
    missing_seconds: Annotated[
        float,
        Knob(
            Group.INGEST,
            kinds.seconds(above_zero=True),
            "How long it is remembered that no supplier has a module.",
        ),
    ] = 60.0
    malformed_seconds: Annotated[
        float,
        Knob(
            Group.INGEST,
            kinds.seconds(above_zero=True),
            "How long it is remembered that a module's symbol file cannot be read.",
        ),
    ] = 3600.0
    unavailable_seconds: Annotated[
        float,
        Knob(
            Group.INGEST,
            kinds.seconds(above_zero=True),
            "How long a supplier's first failure is remembered; doubles with each further one.",
        ),
    ] = 5.0
    unavailable_max_seconds: Annotated[
        float,
        Knob(
            Group.INGEST,
            kinds.seconds(above_zero=True),
            "Longest time a supplier's failure is remembered.",
        ),
    ] = 60.0
    worker: Annotated[
        bool | None,
        Knob(
            Group.INGEST,
            kinds.optional(kinds.SWITCH, "auto"),
            "Whether `serve` also runs a local worker; auto: when a Redis is embedded.",
        ),
    ] = None
    metrics_listen: Annotated[
        ListenAddress | None,
        Knob(
            Group.WATCHING,
            kinds.optional(kinds.ADDRESS, "off"),
            "Address to serve Prometheus metrics on over HTTP, such as 127.0.0.1:9464.",
        ),
    ] = None
    log_format: Annotated[
        str, Knob(Group.WATCHING, kinds.one_of(("text", "json")), "How a line of the log looks.")
    ] = "text"
    log_level: Annotated[
        str,
        Knob(
            Group.WATCHING,
            kinds.one_of(("debug", "info", "warning", "error")),
            "Least important events that are logged.",
        ),
    ] = "info"

    log_calls: Annotated[
        bool,
        Knob(
            Group.WATCHING,
            kinds.SWITCH,
            "Whether each call is a line of the log: method, code, token's name, time, request id.",
        ),
    ] = False

    def as_environment(self) -> dict[str, str]:
        """Return the variables that give another process these settings, secrets included."""
        return {row.variable: row.knob.kind.show(getattr(self, row.name)) for row in rows()}


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: its name, its default and its knob."""

    name: str
    default: Any
    knob: Knob

    @property
    def variable(self) -> str:
        """The environment variable: `SYMBOLON_MEMORY_BYTES`."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The flag: `--memory-bytes`."""
        return "--" + self.name.replace("_", "-")

    @property
    def default_text(self) -> str:
        """The default as the documentation shows it."""
        return self.knob.default_text or self.knob.kind.show(self.default)


@cache
def rows() -> tuple[Row, ...]:
    """Return all settings in the order of declaration."""
    hints = get_type_hints(Settings, include_extras=True)
    return tuple(
        Row(entry.name, entry.default, hints[entry.name].__metadata__[0])
        for entry in fields(Settings)
    )
