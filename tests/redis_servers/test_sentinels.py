"""Servers found through real Sentinels."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from symbolon_server.redis_servers.following import look_again
from symbolon_server.redis_servers.redis_trouble import NoPrimaryError
from symbolon_server.redis_servers.sentinels import SentinelUrl, show
from symbolon_server.redis_servers.servers import InvalidRedisUrlError, connect, server_name
from symbolon_server.redis_servers.setup_checks import ProblemKind, ask_server, find_problems
from tests.app.conftest import wait_until
from tests.fixtures.certificates import Authority, authority, other_authority
from tests.fixtures.redis_fixtures import PATIENT, StartRedis
from tests.fixtures.sentinels import SENTINELS, Access, Watched, start_sentinel, watched
from tests.fixtures.tls_proxy import TlsProxy
from tests.redis_servers.test_command_line import run

__all__ = ["authority", "other_authority"]

SERVER_PASSWORD = "hunter2-server"
SENTINEL_PASSWORD = "hunter2/sentinel"


@pytest.fixture(scope="module")
def locked() -> Iterator[Watched]:
    with watched("cache", access=Access(SERVER_PASSWORD, SENTINEL_PASSWORD)) as found:
        yield found


def port_of(client: redis.Redis) -> int:
    return int(client.info("server")["tcp_port"])


def test_a_url_contains_sentinels_and_a_name() -> None:
    url = SentinelUrl.parse(
        "rediss+sentinel://me:pw@a,b:1,[::1]:2/sym.1?db=3&sentinel_username=u&sentinel_password=a%26b"
    )
    assert url is not None
    assert url.sentinels == (("a", 26379), ("b", 1), ("::1", 2))
    assert url.name == "sym.1"
    assert url.credentials == {"username": "u", "password": "a&b"}
    assert url.url_of(("::2", 6379)) == "rediss://me:pw@[::2]:6379?db=3"
    assert "pw" not in repr(url)
    assert "a&b" not in repr(url)


@pytest.mark.parametrize("url", ["redis://a:1/0", "unix:///a", "redis+sentinel://a:1"])
def test_other_urls_contain_no_sentinels(url: str) -> None:
    assert SentinelUrl.parse(url) is None


@pytest.mark.parametrize(
    "option", ["decode_responses=true", "sentinel_kwargs=hunter2", "max_connections=1"]
)
def test_unsupported_options_are_refused_without_their_values(option: str) -> None:
    with pytest.raises(InvalidRedisUrlError) as caught:
        connect(f"redis+sentinel://127.0.0.1:1/symbolon?{option}")
    assert "not supported" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_both_passwords_the_database_and_the_primary_are_used(locked: Watched) -> None:
    with connect(locked.url("db=3")) as client:
        client.set("key", "value")
        assert port_of(client) == locked.primary_port()
        assert client.client_info()["db"] == 3
        assert "hunter2" not in server_name(client)


def test_a_wrong_sentinel_password_is_reported_without_showing_it(locked: Watched) -> None:
    wrong = replace(locked, access=Access(SERVER_PASSWORD, "hunter2-wrong"))
    with connect(wrong.url()) as client:
        said = ask_server(client).trouble
    assert said.count("the user or password is wrong or missing") == SENTINELS
    assert "hunter2" not in said


def test_a_wrong_server_password_is_reported_without_showing_it(locked: Watched) -> None:
    wrong = replace(locked, access=Access("hunter2-wrong", SENTINEL_PASSWORD))
    with connect(wrong.url()) as client:
        said = ask_server(client).trouble
    assert "the user or password is wrong or missing" in said
    assert "hunter2" not in said


def test_a_name_that_no_sentinel_monitors_is_reported(locked: Watched) -> None:
    with connect(replace(locked, name="other").url()) as client:
        said = ask_server(client).trouble
        with pytest.raises(NoPrimaryError):
            client.ping()
    assert said.count("it monitors no server of that name") == SENTINELS


def test_a_dead_sentinel_or_another_server_is_skipped(locked: Watched, unused_port: int) -> None:
    server = f"127.0.0.1:{next(iter(locked.servers))}"
    url = locked.url().replace("@", f"@127.0.0.1:{unused_port},{server},")
    with connect(url) as client:
        assert port_of(client) == locked.primary_port()


def test_a_sentinel_instead_of_a_server_is_reported(locked: Watched, redis_cache_url: str) -> None:
    url = f"redis://:{quote(SENTINEL_PASSWORD, safe='')}@127.0.0.1:{locked.sentinels[0].port}"
    for urls in ((url, redis_cache_url), (redis_cache_url, url)):
        with connect(urls[0]) as store, connect(urls[1]) as cache:
            kinds = {p.kind: str(p) for p in find_problems(ask_server(store), ask_server(cache))}
        assert "redis+sentinel://host:port/name" in kinds[ProblemKind.SENTINEL]


def test_a_command_line_connects_to_the_primary(locked: Watched) -> None:
    ended = run("cache", "info", "server", SYMBOLON_CACHE_URL=locked.url())
    assert f"tcp_port:{locked.primary_port()}" in ended.stdout
    ended = run("cache", "ping", SYMBOLON_CACHE_URL=replace(locked, name="other").url())
    assert ended.returncode == 1
    assert "it monitors no server of that name" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


@pytest.mark.promise("A Sentinel failover fails no call, loses no invalidation, takes 15 s at most")
def test_a_hanging_sentinel_costs_one_timeout_and_is_queried_last_from_then_on(
    locked: Watched,
) -> None:
    first = locked.sentinels[0]
    with connect(locked.url()) as client, first.frozen():
        port_of(client)
        assert (
            not server_name(client)
            .partition(" of Sentinels ")[2]
            .startswith(show(("127.0.0.1", first.port)))
        )


def test_sentinels_and_server_are_reached_over_tls(
    authority: Authority, other_authority: Authority, start_redis: StartRedis, tmp_path: Path
) -> None:
    """The Sentinel itself does not use TLS: it names a server that it has not reached yet."""
    certificate = authority.issue("127.0.0.1")
    socket = tmp_path / "sentinel" / "socket"
    with ExitStack() as stack:
        store = Path(start_redis("store.conf").url.removeprefix("unix://"))
        primary = stack.enter_context(TlsProxy(certificate, store))
        lines = {
            "unixsocket": str(socket),
            "sentinel monitor symbolon": f"127.0.0.1 {primary.port} 1",
            "sentinel down-after-milliseconds symbolon": "600000",
        }
        start_sentinel(socket.parent, lines, stack)
        wait_until(socket.exists)
        sentinel = stack.enter_context(TlsProxy(certificate, socket))
        url = f"rediss+sentinel://127.0.0.1:{sentinel.port}/symbolon?ssl_ca_certs="
        with connect(f"{url}{authority.file}", PATIENT) as client:
            assert client.ping()
        other_url = f"{url}{other_authority.file}"
        with connect(other_url, PATIENT) as client, pytest.raises(NoPrimaryError, match="VERIFY"):
            client.ping()


@pytest.mark.promise("A Sentinel failover fails no call, loses no invalidation, takes 15 s at most")
def test_connections_leave_a_running_primary_when_sentinels_name_another() -> None:
    with watched("cache", replicas=2) as servers, connect(servers.url()) as client:
        old = servers.primary_port()
        assert port_of(client) == old
        servers.hand_over()
        wait_until(lambda: servers.names_only_others_than(old))
        with connect(f"redis://127.0.0.1:{old}") as left:
            assert left.info("replication")["role"] == "master"
        look_again(client)
        assert port_of(client) != old
        client.set("key", "value")
