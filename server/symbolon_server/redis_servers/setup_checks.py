"""Recognises Redis servers that are set up so that Symbolon would lose work or memory."""

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
"""What evicting policies begin with; `volatile-*` evict only keys with a lifetime: no page."""


class ProblemKind(Enum):
    """What can be wrong with the set-up of the servers."""

    UNREACHABLE = "unreachable"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"
    REPLICA = "replica"
    UNBOUNDED_STORE = "unbounded store"
    """Without `maxmemory`, or with a policy that refuses pages when it is full."""

    EVICTING_CACHE = "evicting cache"
    SWAPPED = "swapped"
    SHARED_REDIS = "shared redis"


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """One thing that is wrong with the set-up of a server."""

    kind: ProblemKind
    what: str
    """The sentence that says what is wrong."""

    fix: str
    """The sentence that says how to fix it."""

    override_flag: str | None = None
    """The flag that lets the server start all the same, if there is one."""

    role: str = "store/cache"
    """Which of the two servers it is; without any word of it, it is both."""

    def __str__(self) -> str:
        """Return all of it for a person."""
        text = f"{self.what} {self.fix}"
        if self.override_flag is None:
            return text
        return f"{text} To go on as it is: {self.override_flag}."


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What a server said when it was asked what it is."""

    name: str
    """Where it is, without credentials."""

    facts: ServerFacts | None
    """None: it said nothing."""

    trouble: str = ""
    """Why it said nothing, in a line for a person."""

    refuses_us: bool = False
    """Whether it said nothing because of the user or the password."""

    is_encrypted: bool = False
    """Whether it was asked by TLS."""


def ask_server(client: redis.Redis) -> ServerReport:
    """Ask a server what it is.

    Only by `INFO`: managed servers forbid `CONFIG`.
    """
    try:
        return ServerReport(server_name(client), read_facts(client))
    except ServerUnreachableError as error:
        return ServerReport(
            server_name(client), None, str(error), error.refuses_us, is_encrypted(client)
        )


def find_problems(
    store: ServerReport, cache: ServerReport, allowed: Collection[ProblemKind] = ()
) -> list[SetupProblem]:
    """Return what is wrong with the two servers, without the kinds that are `allowed`."""
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
    """Return what is wrong with one server."""
    if report.facts is None:
        return [replace(_unreachable(role, report), role=role)]
    name = f"The {role} ({report.name})"
    problems = _find_other_kind(report.facts, name) or find(report.facts, name)
    return [replace(problem, role=role) for problem in problems]


def _unreachable(role: str, report: ServerReport) -> SetupProblem:
    variable = f"SYMBOLON_{role.upper()}_URL"
    if report.refuses_us:
        what = f"The {role} refuses us: {report.trouble}."
        fix = f"Correct user and password in {variable}; the user must be allowed INFO."
        return SetupProblem(ProblemKind.UNREACHABLE, what, fix)
    fix = f"Start it, or correct {variable}."
    if report.is_encrypted:
        fix += " Does it speak TLS? Give a redis:// URL to one that does not."
    what = f"The {role} does not answer: {report.trouble}."
    return SetupProblem(ProblemKind.UNREACHABLE, what, fix)


_LIVED_WITH_SWAPPED = {ProblemKind.UNBOUNDED_STORE, ProblemKind.EVICTING_CACHE}
"""Problems of swapped servers; whoever allows one of them may mean it."""


def _are_swapped(store: ServerFacts | None, cache: ServerFacts | None) -> bool:
    """Return whether each is set up as the other should be."""
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
    """Return that the server is of a kind of which nothing else is worth a look, if it is."""
    if facts.mode == "cluster":
        what = f"{name} is a cluster, which cannot answer for many keys at once."
        fix = "Give a single server, with replicas if you like."
        return [SetupProblem(ProblemKind.CLUSTER, what, fix)]
    if facts.mode == "sentinel":
        what = f"{name} is a Sentinel, which only knows where others are."
        fix = (
            "Give redis+sentinel://host:port/name as its URL, with the name under which it "
            "watches the server."
        )
        return [SetupProblem(ProblemKind.SENTINEL, what, fix)]
    if facts.is_replica:
        what = f"{name} is a replica, which cannot be written to."
        fix = "Give the URL of its primary, or make it one: `replicaof no one`."
        return [SetupProblem(ProblemKind.REPLICA, what, fix)]
    return []


def _find_store_problems(facts: ServerFacts, name: str) -> Iterator[SetupProblem]:
    if facts.maxmemory == 0:
        yield SetupProblem(
            ProblemKind.UNBOUNDED_STORE,
            f"{name} has no maxmemory and would grow until its machine has no memory left.",
            "Set one: `config set maxmemory 500mb` there, and `maxmemory 500mb` in its "
            "configuration file (see redis/store.conf).",
            "--allow-unbounded-store",
        )
    if not facts.maxmemory_policy.startswith(_EVICTING_PREFIX):
        yield SetupProblem(
            ProblemKind.UNBOUNDED_STORE,
            f"{name} has maxmemory-policy {facts.maxmemory_policy} and would refuse new pages "
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
            "Let it keep everything: `config set maxmemory-policy noeviction` there, and "
            "`maxmemory-policy noeviction` in its configuration file (see redis/cache.conf).",
            "--allow-evicting-cache",
        )


def _find_shared_server(
    store: ServerFacts, cache: ServerFacts, name: str
) -> Iterator[SetupProblem]:
    """Compare the run ids: one server may be reached by many addresses."""
    if store.run_id and store.run_id == cache.run_id:
        yield SetupProblem(
            ProblemKind.SHARED_REDIS,
            f"Store and cache are one server ({name}): it cannot both evict pages and keep "
            "queued work.",
            "Start a second one and give the two in SYMBOLON_STORE_URL and SYMBOLON_CACHE_URL "
            "(see redis/README.md).",
            "--allow-shared-redis",
        )
