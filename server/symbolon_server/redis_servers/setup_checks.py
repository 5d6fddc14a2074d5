"""Detects Redis configurations with which Symbolon would lose work or run out of memory."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

import redis

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


def ask_server(client: redis.Redis) -> ServerReport:
    """Read the facts about a server, with `INFO` only: managed servers forbid `CONFIG`."""
    try:
        return ServerReport(server_name(client), read_facts(client))
    except ServerUnreachableError as error:
        return ServerReport(
            server_name(client), None, str(error), error.refuses_us, is_encrypted(client)
        )


def find_problems(
    store: ServerReport, cache: ServerReport, allowed: Collection[ProblemKind] = ()
) -> list[SetupProblem]:
    """Return the problems of the two servers, without the `allowed` kinds."""
    if _are_swapped(store.facts, cache.facts) and not _LIVED_WITH_SWAPPED & set(allowed):
        return [_swapped(store.name, cache.name)]
    problems = [
        *_find_problems_of("store", store, _find_store_problems),
        *_find_problems_of("cache", cache, _find_cache_problems),
    ]
    if store.facts is not None and cache.facts is not None:
        problems += _find_shared_server(store.facts, cache.facts, store.name)
    return [problem for problem in problems if problem.kind not in allowed]


def _find_problems_of(
    role: str, report: ServerReport, find: Callable[[ServerFacts, str], Iterable[SetupProblem]]
) -> list[SetupProblem]:
    """Return the problems of one server."""
    if report.facts is None:
        return [replace(_unreachable(role, report), role=role)]
    name = f"The {role} ({report.name})"
    problems = _find_other_kind(report.facts, name) or find(report.facts, name)
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
        what = f"{name} is a cluster, which does not support commands on many keys."
        fix = "Use a single server, optionally with replicas."
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
