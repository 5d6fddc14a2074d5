"""`symbolon-server check`: whether a server would start with these settings and work."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from symbolon_server.app import StartError
from symbolon_server.app.wiring.redis_connections import RedisServers, find_setup_problems
from symbolon_server.app.wiring.security import protection_of, tls_of
from symbolon_server.app.wiring.suppliers import DEBUGINFOD_URLS, sources_of
from symbolon_server.app.wiring.tracing import collector_of, is_traced, takes_spans
from symbolon_server.debug_files.packages import find_missing_packages
from symbolon_server.ingest.queueing.permissions import (
    CACHE,
    FOR_AGES,
    STORE,
    STORE_NODE,
    find_missing_permissions,
)
from symbolon_server.redis_servers.cluster import Cluster, connect_store
from symbolon_server.redis_servers.cluster_nodes import Node
from symbolon_server.redis_servers.sentinels import SentinelAnswer, sentinels_of, show
from symbolon_server.redis_servers.servers import (
    ServerFacts,
    ServerUnreachableError,
    connect,
    read_facts,
    server_name,
)
from symbolon_server.redis_servers.setup_checks import ProblemKind
from symbolon_server.rpc.access.protection import check_address
from symbolon_server.rpc.calls.addresses import (
    ListenAddress,
    ListenError,
    PortTakenError,
    check_port,
)
from symbolon_server.settings import Settings, find_likely_name, unknown_variables
from symbolon_server.settings.kinds import EMBEDDED
from symbolon_server.suppliers.chain import Attempt, AttemptOutcome, SupplierChain
from symbolon_server.suppliers.contents.errors import SupplierError
from symbolon_server.suppliers.contents.supplier import Supplier, SymbolFileStream
from symbolon_server.suppliers.layouts.layout import CandidatePath
from symbolon_server.suppliers.layouts.named import (
    DEFAULT_LAYOUT,
    NAMED_LAYOUTS,
    SYMBOL_FILE_LAYOUTS,
)
from symbolon_server.suppliers.source import Source
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId

_NOBODYS_MODULE = AskedModule(ModuleId("symbolon-check.pdb", "0" * 33))
"""Requested from each supplier: one that works answers that it is missing."""

_NOBODYS_FILE = AskedModule(ModuleId("symbolon-check", "0" * 33), "symbolon-check", "00" * 20)
"""Requested where a PDB has no path."""

_AGELESS_POLICIES = frozenset({"allkeys-lfu", "allkeys-random"})
"""They evict pages, but not by how long these are idle."""

_OPEN_TO_OTHERS = 0o077

_BUILD_IDS = ".build-id"
_OF_BUILD_IDS = "native"


class Verdict(Enum):
    """Severity; only WRONG keeps a server from starting or working."""

    OK = "ok"
    WARNING = "WARN"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    subject: str
    said: str
    """What was found, or what is wrong and how to fix it."""

    verdict: Verdict = Verdict.OK

    def __str__(self) -> str:
        """Return the line for people to read."""
        return f"{self.verdict.value:<6}{self.subject:<12}{self.said}"


def check(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings, one check after the other."""
    yield from _check_variables(environment)
    yield _check_listen("listen", settings, settings.listen)
    if settings.http is not None:
        yield _check_http(settings, settings.http)
    if settings.metrics_listen is not None:
        yield _check_port("metrics", settings.metrics_listen)
    if is_traced(settings, environment):
        yield _check_tracing(environment)
    yield from _check_redis(settings)
    yield from _check_suppliers(settings, environment)
    yield from _check_folders(settings)


def _check_variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in unknown_variables(environment):
        likely = find_likely_name(name)
        meant = f": is {likely} meant?" if likely else ""
        yield Finding("settings", f"{name} names no setting{meant}", Verdict.WRONG)


def _check_listen(subject: str, settings: Settings, listen: ListenAddress) -> Finding:
    try:
        protection = protection_of(settings)
        check_address(listen, protection)
    except (ListenError, StartError) as error:
        return Finding(subject, str(error), Verdict.WRONG)
    return _check_port(subject, listen, str(protection))


def _check_port(subject: str, listen: ListenAddress, protection: str = "") -> Finding:
    """Check that a server could listen there; it may be running with these settings already."""
    try:
        check_port(listen)
    except PortTakenError as error:
        said = (
            f"{error}; unless that is this server, stop what listens there or choose another port"
        )
        return Finding(subject, said, Verdict.WARNING)
    except ListenError as error:
        return Finding(subject, str(error), Verdict.WRONG)
    return Finding(subject, ", ".join(filter(None, (str(listen), protection))))


def _check_tracing(environment: Mapping[str, str]) -> Finding:
    try:
        collector = collector_of(environment)
    except StartError as error:
        return Finding("tracing", str(error), Verdict.WRONG)
    if takes_spans(collector):
        return Finding("tracing", f"the collector at {collector.name} answers")
    said = (
        f"the collector at {collector.name} does not take spans, which are lost: see "
        "OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS"
    )
    return Finding("tracing", said, Verdict.WARNING)


def _check_http(settings: Settings, http: ListenAddress) -> Finding:
    try:
        tls_of(settings)
    except StartError as error:
        return Finding("http", str(error), Verdict.WRONG)
    return _check_listen("http", settings, http)


def _check_redis(settings: Settings) -> Iterator[Finding]:
    """Check the given servers, and that the embedded ones can be started."""
    try:
        servers = RedisServers(settings, is_private=True)
    except StartError as error:
        yield Finding("store/cache", str(error), Verdict.WRONG)
        return
    with closing(servers):
        yield from _check_server("store", settings.store_url, servers.settings.store_url)
        yield from _check_server("cache", settings.cache_url, servers.settings.cache_url)
        for problem in find_setup_problems(servers.settings):
            is_lost = problem.kind is ProblemKind.LOST_NODE
            verdict = Verdict.WARNING if is_lost else Verdict.WRONG
            yield Finding(problem.role, str(problem), verdict)


def _check_server(role: str, asked: str, url: str) -> Iterator[Finding]:
    """Yield what a server is; a server that does not answer is reported by the set-up check."""
    with closing(connect_store(url) if role == "store" else connect(url)) as client:
        if isinstance(client, Cluster):
            for node in client.primaries() or client.seeds():
                yield from _check_node(role, node)
            return
        if (sentinels := sentinels_of(client)) is not None:
            yield from _check_sentinels(role, sentinels.name, sentinels.ask_all())
        with suppress(ServerUnreachableError):
            facts = read_facts(client)
            where = EMBEDDED if asked == EMBEDDED else server_name(client)
            yield from _check_facts(role, where, facts)
            # Servers in other modes refuse commands for other reasons.
            if facts.mode == "standalone" and not facts.is_replica:
                needed = STORE if role == "store" else CACHE
                yield from _check_permissions(role, find_missing_permissions(client, needed))


def _check_node(role: str, node: Node) -> Iterator[Finding]:
    """Yield what one node of a cluster is."""
    where = show(node.address)
    with suppress(ServerUnreachableError):
        facts = read_facts(node.client)
        yield from _check_facts(role, where, facts)
        if facts.mode == "cluster":
            missing = find_missing_permissions(node.client, STORE_NODE)
            yield from _check_permissions(role, missing, f"{where}: ")
            if node.requires_all_nodes():
                said = (
                    f"{where}: one lost node stops the whole store: "
                    "`config set cluster-require-full-coverage no`"
                )
                yield Finding(role, said, Verdict.WARNING)


def _check_facts(role: str, where: str, facts: ServerFacts) -> Iterator[Finding]:
    limit = f"maxmemory {facts.maxmemory}" if facts.maxmemory else "no maxmemory"
    said = f"{where}: {facts.software} {facts.version}, {limit}, {facts.maxmemory_policy}"
    yield Finding(role, said)
    if role == "store" and facts.maxmemory_policy in _AGELESS_POLICIES:
        said = (
            f"{facts.maxmemory_policy} ignores how old pages are put, and misses more: "
            "use allkeys-lru"
        )
        yield Finding(role, said, Verdict.WARNING)


def _check_permissions(role: str, missing: Sequence[str], where: str = "") -> Iterator[Finding]:
    said = where + "its user lacks {} (see Permissions in redis/README.md)"
    if wrong := [rule for rule in missing if rule not in FOR_AGES]:
        yield Finding(role, said.format(" ".join(wrong)), Verdict.WRONG)
    if lost := [rule for rule in missing if rule in FOR_AGES]:
        said += ": it works, but pages are put without their ages, and a full store misses more"
        yield Finding(role, said.format(" ".join(lost)), Verdict.WARNING)


def _check_sentinels(role: str, name: str, answers: list[SentinelAnswer]) -> Iterator[Finding]:
    """Yield the primary that most Sentinels name, and each Sentinel that does not name it.

    If none names a primary, the set-up check reports it.
    """
    named = Counter(answer.primary for answer in answers if answer.primary is not None)
    for primary, count in named.most_common(1):
        said = f"{count} of {len(answers)} Sentinels name {show(primary)} as primary of {name}"
        yield Finding(role, said)
        for answer in answers:
            if answer.primary != primary:
                yield _warn_of_sentinel(role, answer)
        if not any(answer.can_fail_over for answer in answers):
            said = f"too few Sentinels of {name} are up to choose another primary: start the others"
            yield Finding(role, said, Verdict.WRONG)


def _warn_of_sentinel(role: str, answer: SentinelAnswer) -> Finding:
    trouble = answer.trouble if answer.primary is None else f"it names {show(answer.primary)}"
    return Finding(role, f"Sentinel {show(answer.sentinel)}: {trouble}", Verdict.WARNING)


def _check_suppliers(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        sources = sources_of(settings, environment)
    except StartError as error:
        yield Finding("suppliers", str(error), Verdict.WRONG)
        return
    if not sources:
        said = "none: every module will be missing; name some in SYMBOLON_SUPPLIERS"
        yield Finding("suppliers", said, Verdict.WRONG)
    elif not settings.suppliers:
        yield Finding("suppliers", f"those in {DEBUGINFOD_URLS}, since SYMBOLON_SUPPLIERS is empty")
    for source in sources:
        yield _check_supplier(source.make(), source.layout)
        yield from _check_build_ids(source)
        yield from map(_warn_of_open_file, filter(_is_open, source.secret_files))
    if any(source.layout not in SYMBOL_FILE_LAYOUTS for source in sources):
        yield from _check_native_files(settings.fetch_dir or Path(tempfile.gettempdir()))


def _check_native_files(folder: Path) -> Iterator[Finding]:
    """Check what a worker needs to read native files; a server without one does not."""
    if missing := find_missing_packages():
        said = (
            f"{' and '.join(missing)} cannot be imported: workers here report native files as "
            "malformed; install the extra 'native'"
        )
        yield Finding("native", said, Verdict.WARNING)
    yield _check_folder("fetch", folder, "SYMBOLON_FETCH_DIR", Verdict.WARNING)


class _OneFile(Supplier):
    """A supplier of which one file is requested."""

    def __init__(self, supplier: Supplier) -> None:
        self._supplier = supplier

    @property
    def name(self) -> str:
        return self._supplier.name

    def candidates(self, asked: AskedModule) -> Sequence[CandidatePath]:
        return self._supplier.candidates(asked)[:1]

    def lacks(self, asked: AskedModule) -> str:
        return "" if self.candidates(asked) else self._supplier.lacks(asked)

    def fetch(self, candidate: CandidatePath) -> AbstractContextManager[SymbolFileStream]:
        return self._supplier.fetch(candidate)


def _check_supplier(supplier: Supplier, layout: str) -> Finding:
    """Request one file that nobody has."""
    attempts: list[Attempt] = []
    has_pdbs = bool(supplier.candidates(_NOBODYS_MODULE))
    asked = _NOBODYS_MODULE if has_pdbs else _NOBODYS_FILE
    with suppress(SupplierError):
        SupplierChain([_OneFile(supplier)], attempts.append).fetch(asked, _read_symbol_file)
    (attempt,) = attempts
    filed = "" if layout == DEFAULT_LAYOUT else f" ({layout}: {NAMED_LAYOUTS[layout].ids})"
    if attempt.outcome is AttemptOutcome.FOUND:
        return Finding("supplier", f"{supplier.name} answers{filed}")
    if attempt.outcome is AttemptOutcome.MISSING:
        if not attempt.path:
            return Finding("supplier", f"{supplier.name} {attempt.detail}: not tried{filed}")
        return Finding("supplier", f"{supplier.name} answers that it {attempt.detail}{filed}")
    return Finding("supplier", f"{supplier.name} {attempt.detail}{filed}", Verdict.WRONG)


def _check_build_ids(source: Source) -> Iterator[Finding]:
    """Warn of a folder of files by build id that is asked for other paths."""
    folder = source.where
    if not isinstance(folder, Path):
        return
    if folder.name == _BUILD_IDS and source.layout != _OF_BUILD_IDS:
        said = f"{folder} has files by build id, if GDB reads it: use the layout {_OF_BUILD_IDS}"
        yield Finding("supplier", said, Verdict.WARNING)
    if source.layout == _OF_BUILD_IDS and (folder / _BUILD_IDS).is_dir():
        said = f"files by build id are in {folder / _BUILD_IDS}: name that folder"
        yield Finding("supplier", said, Verdict.WARNING)


def _is_open(file: Path) -> bool:
    return bool(file.stat().st_mode & _OPEN_TO_OTHERS)


def _warn_of_open_file(file: Path) -> Finding:
    said = f"{file} contains a secret that other users may read or change: chmod 600 {file}"
    return Finding("supplier", said, Verdict.WARNING)


def _read_symbol_file(text: Iterator[bytes]) -> object:
    """Read it like an ingest, which tells login pages from symbol files."""
    # Imported here: most suppliers answer that they have no such file, and numpy takes long.
    from symbolon_server.symbols.reading.reader import SymbolFileReader  # noqa: PLC0415 # see above

    return SymbolFileReader(_NOBODYS_MODULE.module_id).read(text)


def _check_folders(settings: Settings) -> Iterator[Finding]:
    if settings.spool_bytes:
        yield _check_folder("spool", settings.spool_dir, "SYMBOLON_SPOOL_DIR")
    if settings.cache_url == EMBEDDED:
        yield _check_folder("data", settings.data_dir, "SYMBOLON_DATA_DIR")


def _check_folder(
    subject: str, folder: Path, variable: str, verdict: Verdict = Verdict.WRONG
) -> Finding:
    """Check that the folder, or its closest existing parent, can be written to."""
    place = next(above for above in (folder, *folder.parents) if _is_seen(above))
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Finding(subject, str(folder))
    said = (
        f"{folder} cannot be written: let this user write to {place}, or set {variable} to "
        "another folder"
    )
    return Finding(subject, said, verdict)


def _is_seen(place: Path) -> bool:
    """Return whether the path exists and this user may see it."""
    try:
        return place.exists()
    except OSError:  # in a folder without permission, or with a name that is too long
        return False
