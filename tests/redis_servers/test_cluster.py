"""URLs of clusters, and what is wrong with the set-up of real ones."""

from dataclasses import replace

import pytest
import redis

from symbolon_server.ingest.queueing.permissions import STORE_NODE, find_missing_permissions
from symbolon_server.redis_servers.cluster import Cluster, ClusterUrl, connect_store
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.redis_servers.servers import InvalidRedisUrlError, connect
from symbolon_server.redis_servers.setup_checks import (
    ProblemKind,
    SetupProblem,
    ask_server,
    find_problems,
)
from tests.fixtures.clusters import PRIMARIES, RunningCluster, redis_cluster
from tests.fixtures.networks import free_port
from tests.fixtures.redis_fixtures import StartRedis
from tests.redis_servers.test_command_line import run

__all__ = ["redis_cluster"]


def check(store_url: str, cache_url: str) -> list[SetupProblem]:
    with connect_store(store_url) as store, connect(cache_url) as cache:
        return find_problems(ask_server(store), ask_server(cache))


def test_a_url_contains_nodes() -> None:
    url = ClusterUrl.parse("rediss+cluster://me:pw@a,b:1,[::1]:2/?ssl_ca_certs=/ca")
    assert url is not None
    assert url.nodes == (("a", 6379), ("b", 1), ("::1", 2))
    assert url.url_of(("::2", 7)) == "rediss://me:pw@[::2]:7?ssl_ca_certs=/ca"
    assert "pw" not in repr(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://a:x",
        "redis+cluster://:hunter2@a:1,:2",
        "redis+cluster://a?decode_responses=true",
        "redis+cluster://a?db=1",
        "redis+cluster://a/1",
    ],
)
def test_an_invalid_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidRedisUrlError) as caught:
        connect_store(url)
    assert "hunter2" not in str(caught.value)


def test_the_cache_cannot_be_a_cluster() -> None:
    with pytest.raises(InvalidRedisUrlError, match="a cluster can only be the store"):
        connect("redis+cluster://a")


def test_a_cluster_in_order_has_no_problem_and_is_reported_as_a_whole(
    redis_cluster: RunningCluster, redis_cache_url: str
) -> None:
    redis_cluster.clear()
    assert check(redis_cluster.url(), redis_cache_url) == []
    with redis_cluster.connect() as client:
        client.run([("SET", b"%d" % number, b"") for number in range(100)])
        report = ask_server(client)
        assert report.name == str(client)
        assert report.facts is not None
        assert report.facts.keys == 100
        assert report.facts.maxmemory == PRIMARIES * 500 * 1024 * 1024
        assert report.facts.maxmemory_policy == "allkeys-lru"


def test_one_node_in_the_url_leads_to_all(redis_cluster: RunningCluster) -> None:
    with connect_store(f"redis+cluster://127.0.0.1:{redis_cluster.ports[2]}") as client:
        assert isinstance(client, Cluster)
        found = {node.address[1] for node in client.primaries()}
    assert found == set(redis_cluster.ports)


def test_a_plain_url_of_a_node_is_a_problem_and_its_error_says_so(
    redis_cluster: RunningCluster, redis_cache_url: str
) -> None:
    url = f"redis://127.0.0.1:{redis_cluster.ports[0]}"
    (problem,) = check(url, redis_cache_url)
    assert problem.kind is ProblemKind.CLUSTER
    with connect(url) as client, pytest.raises(redis.exceptions.MovedError) as caught:
        client.get("key")  # in slot 12539, of the last node
    assert "use a redis+cluster:// URL" in describe_trouble(caught.value)


def test_a_url_of_a_cluster_that_names_a_plain_server_is_a_problem(
    start_redis: StartRedis, redis_cache_url: str, unused_port: int
) -> None:
    start_redis("store.conf", port=unused_port)
    (problem,) = check(f"redis+cluster://127.0.0.1:{unused_port}", redis_cache_url)
    assert problem.kind is ProblemKind.CLUSTER
    assert "is not a node of a cluster" in problem.what


def test_nodes_without_slots_are_a_problem(
    start_redis: StartRedis, redis_cache_url: str, unused_port: int
) -> None:
    start_redis(
        "store.conf", port=unused_port, cluster_enabled="yes", cluster_port=str(free_port())
    )
    (problem,) = check(f"redis+cluster://127.0.0.1:{unused_port}", redis_cache_url)
    assert problem.kind is ProblemKind.UNREACHABLE
    assert "which slots" in problem.what


def test_a_cluster_that_does_not_answer_is_named_without_credentials(
    redis_cache_url: str, unused_port: int
) -> None:
    url = f"redis+cluster://user:hunter2@127.0.0.1:{unused_port}"
    (problem,) = check(url, redis_cache_url)
    assert problem.kind is ProblemKind.UNREACHABLE
    assert f"127.0.0.1:{unused_port}" in problem.what
    assert "hunter2" not in str(problem)


def test_each_node_has_to_evict(redis_cluster: RunningCluster, redis_cache_url: str) -> None:
    redis_cluster.clients[1].config_set("maxmemory-policy", "noeviction")
    try:
        (problem,) = check(redis_cluster.url(), redis_cache_url)
    finally:
        redis_cluster.clients[1].config_set("maxmemory-policy", "allkeys-lru")
    assert problem.kind is ProblemKind.UNBOUNDED_STORE
    assert f"(127.0.0.1:{redis_cluster.ports[1]})" in problem.what


def test_a_lost_node_and_its_slots_are_no_reason_not_to_start(
    redis_cluster: RunningCluster, redis_cache_url: str, unused_port: int
) -> None:
    with redis_cluster.connect() as client, connect(redis_cache_url) as cache:
        report, other = ask_server(client), ask_server(cache)
        gone = replace(report.nodes[0], facts=None, trouble="timed out")
        report = replace(report, nodes=(gone, *report.nodes[1:]), lost_slots=7)
        problems = find_problems(report, other)
    assert [problem.kind for problem in problems] == [ProblemKind.LOST_NODE] * 2
    assert "7 slots" in problems[0].what
    assert "timed out" in problems[1].what


def test_missing_permissions_of_a_node_are_named(redis_cluster: RunningCluster) -> None:
    admin = redis_cluster.clients[0]
    rules = "reset on >pw ~symbol:* +client|setname +info +dbsize +scan +set +get +touch +unlink"
    admin.execute_command("ACL", "SETUSER", "poor", *rules.split())
    try:
        with connect(f"redis://poor:pw@127.0.0.1:{redis_cluster.ports[0]}") as client:
            assert find_missing_permissions(client, STORE_NODE) == [
                "~page:*",
                *("+cluster|slots", "+asking", "+restore", "+randomkey", "+object|idletime"),
            ]
    finally:
        admin.acl_deluser("poor")


def test_the_command_line_opens_on_a_node(redis_cluster: RunningCluster) -> None:
    ended = run("store", "dbsize", SYMBOLON_STORE_URL=redis_cluster.url())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip().isdigit()
