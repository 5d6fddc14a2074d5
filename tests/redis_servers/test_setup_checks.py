"""Wrong configurations, on real servers."""

import pytest
import redis

from symbolon_server.redis_servers.servers import InvalidRedisUrlError, connect, read_facts
from symbolon_server.redis_servers.setup_checks import (
    ProblemKind,
    SetupProblem,
    ask_server,
    find_problems,
)
from tests.fixtures.redis_fixtures import StartRedis


def check(store_url: str, cache_url: str, *allowed: ProblemKind) -> list[SetupProblem]:
    with connect(store_url) as store, connect(cache_url) as cache:
        return find_problems(ask_server(store), ask_server(cache), allowed)


def test_servers_with_our_configuration_files_have_no_problem(
    redis_store_url: str, redis_cache_url: str
) -> None:
    assert check(redis_store_url, redis_cache_url) == []


def test_swapped_servers_are_detected_unless_one_of_their_problems_is_allowed(
    redis_store_url: str, redis_cache_url: str
) -> None:
    (problem,) = check(redis_cache_url, redis_store_url)
    assert problem.kind is ProblemKind.SWAPPED
    (left,) = check(redis_cache_url, redis_store_url, ProblemKind.UNBOUNDED_STORE)
    assert (left.kind, left.role) == (ProblemKind.EVICTING_CACHE, "cache")


def test_tls_to_a_server_without_it_is_reported(
    start_redis: StartRedis, redis_store_url: str, unused_port: int
) -> None:
    cache = start_redis("cache.conf", port=unused_port)
    (problem,) = check(redis_store_url, f"rediss://127.0.0.1:{unused_port}")
    assert problem.role == "cache"
    assert "If it does not use TLS, use a redis:// URL." in str(problem)
    assert check(redis_store_url, cache.url) == []


def test_a_store_without_a_limit_is_detected(start_redis: StartRedis, redis_cache_url: str) -> None:
    store = start_redis("store.conf", maxmemory="0")
    (problem,) = check(store.url, redis_cache_url)
    assert problem.kind is ProblemKind.UNBOUNDED_STORE
    assert "has no maxmemory" in problem.what
    assert "config set maxmemory 500mb" in problem.fix
    assert problem.override_flag == "--allow-unbounded-store"
    assert check(store.url, redis_cache_url, ProblemKind.UNBOUNDED_STORE) == []


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_a_store_that_would_reject_pages_is_detected(
    start_redis: StartRedis, redis_cache_url: str, policy: str
) -> None:
    store = start_redis("store.conf", maxmemory_policy=policy)
    (problem,) = check(store.url, redis_cache_url)
    assert problem.kind is ProblemKind.UNBOUNDED_STORE
    assert f"maxmemory-policy {policy}" in problem.what
    assert "config set maxmemory-policy allkeys-lru" in problem.fix
    assert problem.override_flag == "--allow-unbounded-store"


@pytest.mark.parametrize("policy", ["allkeys-lfu", "allkeys-random"])
def test_any_policy_that_evicts_pages_is_accepted(
    start_redis: StartRedis, redis_cache_url: str, policy: str
) -> None:
    store = start_redis("store.conf", maxmemory_policy=policy)
    assert check(store.url, redis_cache_url) == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_cache_that_evicts_is_detected(
    start_redis: StartRedis, redis_store_url: str, policy: str
) -> None:
    cache = start_redis("cache.conf", maxmemory_policy=policy)
    (problem,) = check(redis_store_url, cache.url)
    assert problem.kind is ProblemKind.EVICTING_CACHE
    assert f"maxmemory-policy {policy}" in problem.what
    assert "config set maxmemory-policy noeviction" in problem.fix
    assert problem.override_flag == "--allow-evicting-cache"
    assert check(redis_store_url, cache.url, ProblemKind.EVICTING_CACHE) == []


def test_one_server_at_two_addresses_is_detected(start_redis: StartRedis, unused_port: int) -> None:
    server = start_redis("store.conf", port=unused_port)
    problems = check(server.url, f"redis://127.0.0.1:{unused_port}/1")
    assert [problem.kind for problem in problems] == [
        ProblemKind.EVICTING_CACHE,
        ProblemKind.SHARED_REDIS,
    ]
    assert problems[1].override_flag == "--allow-shared-redis"
    assert "SYMBOLON_CACHE_URL" in problems[1].fix


def test_the_message_of_a_problem_ends_with_its_flag(
    start_redis: StartRedis, redis_cache_url: str
) -> None:
    store = start_redis("store.conf", maxmemory="0")
    (problem,) = check(store.url, redis_cache_url)
    assert str(problem).startswith(f"The store ({store.url.removeprefix('unix://')}) has no max")
    assert str(problem).endswith("To start anyway, pass --allow-unbounded-store.")


def test_info_is_sufficient_where_config_is_forbidden(
    start_redis: StartRedis, redis_cache_url: str
) -> None:
    server = start_redis("store.conf", maxmemory="0")
    with connect(server.url) as admin:
        admin.acl_setuser(
            "tenant", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-config"]
        )
    url = server.url.replace("unix://", "unix://tenant:secret@")
    with connect(url) as tenant, pytest.raises(redis.exceptions.NoPermissionError):
        tenant.config_get("maxmemory")
    (problem,) = check(url, redis_cache_url)
    assert "has no maxmemory" in problem.what


def test_an_unreachable_server_is_named_without_credentials(
    redis_cache_url: str, unused_port: int
) -> None:
    (problem,) = check(f"redis://user:secret@127.0.0.1:{unused_port}/0", redis_cache_url)
    assert problem.kind is ProblemKind.UNREACHABLE
    assert f"127.0.0.1:{unused_port}" in problem.what
    assert "SYMBOLON_STORE_URL" in problem.fix
    assert problem.override_flag is None
    assert "secret" not in str(problem)


def test_a_wrong_password_is_never_shown(start_redis: StartRedis, redis_cache_url: str) -> None:
    server = start_redis("store.conf", requirepass="right")
    url = server.url.replace("unix://", "unix://:guessed@")
    (problem,) = check(url, redis_cache_url)
    assert problem.kind is ProblemKind.UNREACHABLE
    assert "guessed" not in str(problem)


def test_a_node_of_a_cluster_is_detected(start_redis: StartRedis, redis_cache_url: str) -> None:
    server = start_redis("store.conf", cluster_enabled="yes")
    (problem,) = check(server.url, redis_cache_url)
    assert problem.kind is ProblemKind.CLUSTER
    assert "redis+cluster://" in problem.fix


@pytest.mark.parametrize("role", ["store", "cache"])
def test_a_replica_is_detected(
    start_redis: StartRedis, redis_store_url: str, redis_cache_url: str, role: str
) -> None:
    server = start_redis(f"{role}.conf", replicaof="127.0.0.1 1")
    urls = {"store": redis_store_url, "cache": redis_cache_url} | {role: server.url}
    (problem,) = check(urls["store"], urls["cache"])
    assert problem.kind is ProblemKind.REPLICA
    assert str(problem).startswith(f"The {role} (")


def test_facts_contain_what_an_operator_needs(start_redis: StartRedis) -> None:
    server = start_redis("store.conf")
    with connect(server.url) as client:
        client.set("a", "1")
        client.mget(["a", "b", "c"])
        facts = read_facts(client)
        again = read_facts(client)
    assert facts.software in {"redis", "valkey"}
    assert facts.version[0].isdigit()
    assert facts.mode == "standalone"
    assert facts.maxmemory == 500 * 1024 * 1024
    assert facts.maxmemory_policy == "allkeys-lru"
    assert 0 < facts.used_memory < facts.maxmemory
    assert (facts.keys, facts.hits, facts.misses, facts.evicted_keys) == (1, 1, 2, 0)
    assert facts.connected_clients == 1
    assert facts.run_id == again.run_id != ""


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        connect("http://127.0.0.1:6379")


@pytest.mark.parametrize(
    "option",
    [
        "decode_responses=true",
        "encoding=latin-1",
        "max_connections=1",
        "single_connection_client=true",
        "socket_timeout=0.1",
        "retry_on_timeout=true",
        "credential_provider=x",
    ],
)
def test_an_option_that_would_break_us_is_refused_by_name(option: str) -> None:
    with pytest.raises(InvalidRedisUrlError, match=option.partition("=")[0]):
        connect(f"redis://127.0.0.1?db=0&{option}")


def test_a_possible_part_of_a_password_is_not_shown() -> None:
    with pytest.raises(InvalidRedisUrlError) as caught:
        connect("redis://127.0.0.1?hunter2&a=b")
    assert "hunter2" not in str(caught.value)


def test_harmless_options_are_accepted(redis_store_url: str) -> None:
    options = "db=1&protocol=3&health_check_interval=30"
    with connect(f"{redis_store_url}?{options}") as client:
        assert client.ping()
