"""Detects Redis configurations with which Symbolon would lose work or run out of memory."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain

from redis.crc import REDIS_CLUSTER_HASH_SLOTS

from symbolon_server.redis_servers.cluster import Cluster, StoreClient
from symbolon_server.redis_servers.servers import (
    ServerFacts,
    ServerUnreachableError,
    is_encrypted,
    read_facts,
    server_name,
)

KEEPING_POLICY = "noeviction"

_EVICTING_PREFIX = "allkeys-"
"""Prefix of the policies that evict; `volatile-*` evict only keys with a lifetime, not pages."""


class ProblemKind(Enum):
    """What can be wrong with the configuration of the servers."""

    UNREACHABLE = "unreachable"
    CLUSTER = "cluster"
    """A node of a cluster without the URL of one, or the other way round."""

    LOST_NODE = "lost node"
    """A cluster lacks nodes, or slots; the others serve."""

    SENTINEL = "sentinel"
    REPLICA = "replica"
    UNBOUNDED_STORE = "unbounded store"
    """Without `maxmemory`, or with a policy that rejects pages when it is full."""

    EVICTING_CACHE = "evicting cache"
    SWAPPED = "swapped"
    SHARED_REDIS = "shared redis"


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """One problem with the configuration of a server."""

    kind: ProblemKind
    what: str
    """A sentence that says what is wrong."""

    fix: str
    """A sentence that says how to fix it."""

    override_flag: str | None = None
    """The flag to start the server anyway, if there is one."""

    role: str = "store/cache"
    """Which of the two servers has it, or both."""

    def __str__(self) -> str:
        """Return the whole message, for humans."""
        text = f"{self.what} {self.fix}"
        if self.override_flag is None:
            return text
        return f"{text} To start anyway, pass {self.override_flag}."


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The facts about a server, or why there are none."""

    name: str
    """Its address, without credentials."""

    facts: ServerFacts | None
    """None if it did not answer."""

    trouble: str = ""
    """Why it did not answer, in one line for humans."""

    refuses_us: bool = False
    """Whether it denied access because of the user or password."""

    is_encrypted: bool = False
    """Whether the connection uses TLS."""

    nodes: "tuple[ServerReport, ...]" = ()
    """Those of a cluster that have slots, or those in its URL if none has."""

    lost_slots: int = 0
    """How many slots of a cluster no node has."""


def ask_server(client: StoreClient) -> ServerReport:
    """Read the facts about a server, with `INFO` only: managed servers forbid `CONFIG`.

    Those of a cluster are of all its nodes that answer, each with a report of its own.
    """
    if isinstance(client, Cluster):
        return _ask_cluster(client)
    try:
        return ServerReport(server_name(client), read_facts(client))
    except ServerUnreachableError as error:
        return ServerReport(
            server_name(client), None, str(error), error.refuses_us, is_encrypted(client)
        )


def _ask_cluster(cluster: Cluster) -> ServerReport:
    nodes = cluster.primaries() or cluster.seeds()
    reports = tuple(ask_server(node.client) for node in nodes)
    found = [report.facts for report in reports if report.facts is not None]
    if not found:
        return replace(reports[0], name=str(cluster))
    facts = ServerFacts.of_cluster(found)
    return ServerReport(str(cluster), facts, nodes=reports, lost_slots=cluster.lost_slots())


def find_problems(
    store: ServerReport, cache: ServerReport, allowed: Collection[ProblemKind] = ()
) -> list[SetupProblem]:
    """Return the problems of the two servers, without the `allowed` kinds."""
    if _are_swapped(store.facts, cache.facts) and not _LIVED_WITH_SWAPPED & set(allowed):
        return [_swapped(store.name, cache.name)]
    problems = [
        *(_find_problems_of_cluster(store) if store.nodes else ()),
        *chain.from_iterable(
            _find_problems_of("store", node, _find_store_problems, is_node=bool(store.nodes))
            for node in store.nodes or [store]
        ),
        *_find_problems_of("cache", cache, _find_cache_problems),
    ]
    for node in store.nodes or [store]:
        if node.facts is not None and cache.facts is not None:
            problems += _find_shared_server(node.facts, cache.facts, node.name)
    return [problem for problem in problems if problem.kind not in allowed]


def _find_problems_of_cluster(report: ServerReport) -> Iterator[SetupProblem]:
    if report.lost_slots == REDIS_CLUSTER_HASH_SLOTS and any(
        _is_node(node) for node in report.nodes
    ):
        what = f"The store ({report.name}) does not say which node has which slots."
        fix = "Give its nodes slots; its user needs permission for CLUSTER SLOTS."
        yield SetupProblem(ProblemKind.UNREACHABLE, what, fix, role="store")
    elif 0 < report.lost_slots < REDIS_CLUSTER_HASH_SLOTS:
        what = f"The store ({report.name}) lacks nodes: {report.lost_slots} slots are lost."
        fix = "Pages in these slots are read from spools until a node has them: see CLUSTER SLOTS."
        yield SetupProblem(ProblemKind.LOST_NODE, what, fix, role="store")


def _is_node(report: ServerReport) -> bool:
    return report.facts is not None and report.facts.mode == "cluster"


def _find_problems_of(
    role: str,
    report: ServerReport,
    find: Callable[[ServerFacts, str], Iterable[SetupProblem]],
    *,
    is_node: bool = False,
) -> list[SetupProblem]:
    """Return the problems of one server, or node of a cluster, of which others answer."""
    if report.facts is None:
        problem = replace(_unreachable(role, report), role=role)
        return [replace(problem, kind=ProblemKind.LOST_NODE) if is_node else problem]
    name = f"The {role} ({report.name})"
    other = _find_no_node(report.facts, name) if is_node else _find_other_kind(report.facts, name)
    problems = other or find(report.facts, name)
    return [replace(problem, role=role) for problem in problems]


def _unreachable(role: str, report: ServerReport) -> SetupProblem:
    variable = f"SYMBOLON_{role.upper()}_URL"
    if report.refuses_us:
        what = f"The {role} denies access: {report.trouble}."
        fix = f"Correct the user and password in {variable}; the user needs permission for INFO."
        return SetupProblem(ProblemKind.UNREACHABLE, what, fix)
    fix = f"Start it, or correct {variable}."
    if report.is_encrypted:
        fix += " If it does not use TLS, use a redis:// URL."
    what = f"The {role} does not answer: {report.trouble}."
    return SetupProblem(ProblemKind.UNREACHABLE, what, fix)


_LIVED_WITH_SWAPPED = {ProblemKind.UNBOUNDED_STORE, ProblemKind.EVICTING_CACHE}
"""Problems of swapped servers; if one of them is allowed, the setup may be intended."""


def _are_swapped(store: ServerFacts | None, cache: ServerFacts | None) -> bool:
    """Return whether each has the configuration of the other."""
    return (
        store is not None
        and cache is not None
        and store.maxmemory_policy == KEEPING_POLICY
        and cache.maxmemory_policy.startswith(_EVICTING_PREFIX)
    )


def _swapped(store: str, cache: str) -> SetupProblem:
    return SetupProblem(
        ProblemKind.SWAPPED,
        f"Store and cache are swapped: the store ({store}) keeps everything, and the cache "
        f"({cache}) evicts.",
        "Exchange SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL.",
    )


def _find_other_kind(facts: ServerFacts, name: str) -> list[SetupProblem]:
    """Return a problem with the kind of server, which makes all other checks pointless."""
    if facts.mode == "cluster":
        what = f"{name} is one node of a cluster, and has a part of the keys."
        fix = (
            "Set SYMBOLON_STORE_URL to redis+cluster://host:port,… with some of its nodes. The "
            "cache cannot be a cluster: use a single server, or Sentinels."
        )
        return [SetupProblem(ProblemKind.CLUSTER, what, fix)]
    if facts.mode == "sentinel":
        what = f"{name} is a Sentinel, which stores no data."
        fix = (
            "Set its URL to redis+sentinel://host:port/name, with the name under which it "
            "monitors the server."
        )
        return [SetupProblem(ProblemKind.SENTINEL, what, fix)]
    if facts.is_replica:
        what = f"{name} is a read-only replica."
        fix = "Use the URL of its primary, or promote it: `replicaof no one`."
        return [SetupProblem(ProblemKind.REPLICA, what, fix)]
    return []


def _find_no_node(facts: ServerFacts, name: str) -> list[SetupProblem]:
    """Return a problem if what a URL of a cluster names is something else."""
    if facts.mode == "cluster":
        return []
    what = f"{name} is not a node of a cluster."
    fix = "Set SYMBOLON_STORE_URL to a redis:// URL, or set `cluster-enabled yes` there."
    return [SetupProblem(ProblemKind.CLUSTER, what, fix)]


def _find_store_problems(facts: ServerFacts, name: str) -> Iterator[SetupProblem]:
    if facts.maxmemory == 0:
        yield SetupProblem(
            ProblemKind.UNBOUNDED_STORE,
            f"{name} has no maxmemory and would grow until its machine runs out of memory.",
            "Set one: `config set maxmemory 500mb` there, and `maxmemory 500mb` in its "
            "configuration file (see redis/store.conf).",
            "--allow-unbounded-store",
        )
    if not facts.maxmemory_policy.startswith(_EVICTING_PREFIX):
        yield SetupProblem(
            ProblemKind.UNBOUNDED_STORE,
            f"{name} has maxmemory-policy {facts.maxmemory_policy} and would reject new pages "
            "when it is full.",
            "Let it evict: `config set maxmemory-policy allkeys-lru` there, and "
            "`maxmemory-policy allkeys-lru` in its configuration file (see redis/store.conf).",
            "--allow-unbounded-store",
        )


def _find_cache_problems(facts: ServerFacts, name: str) -> Iterator[SetupProblem]:
    if facts.maxmemory_policy != KEEPING_POLICY:
        yield SetupProblem(
            ProblemKind.EVICTING_CACHE,
            f"{name} has maxmemory-policy {facts.maxmemory_policy} and would lose queued work "
            "when it is full.",
            "Disable eviction: `config set maxmemory-policy noeviction` there, and "
            "`maxmemory-policy noeviction` in its configuration file (see redis/cache.conf).",
            "--allow-evicting-cache",
        )


def _find_shared_server(
    store: ServerFacts, cache: ServerFacts, name: str
) -> Iterator[SetupProblem]:
    """Compare the run ids: one server may have several addresses."""
    if store.run_id and store.run_id == cache.run_id:
        yield SetupProblem(
            ProblemKind.SHARED_REDIS,
            f"Store and cache are the same server ({name}): it cannot both evict pages and keep "
            "queued work.",
            "Start a second one and set SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL to the two "
            "(see redis/README.md).",
            "--allow-shared-redis",
        )
