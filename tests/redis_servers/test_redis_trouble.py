"""How failures of Redis servers are described."""

import re
import select
import traceback
from collections.abc import Callable
from contextlib import suppress
from operator import methodcaller
from pathlib import Path

import pytest
import redis

from symbolon_server.cache.keyed_cache import CacheUnavailableError, KeyedCache
from symbolon_server.redis_servers.circuit import Circuit
from symbolon_server.redis_servers.redis_trouble import describe_trouble
from symbolon_server.redis_servers.servers import (
    InvalidRedisUrlError,
    ServerUnreachableError,
    connect,
    read_facts,
)
from symbolon_server.store.key_counts import count_keys
from symbolon_server.telemetry.logs import TextFormatter
from tests.fixtures.certificates import Authority, authority, other_authority
from tests.fixtures.redis_fixtures import PATIENT, StartRedis
from tests.fixtures.tls_proxy import TlsProxy

__all__ = ["authority", "other_authority"]

PASSWORD, USER = "hunter2", "somebody"
ACL = {"user": f"{USER} on >{PASSWORD} ~* &* +@all", "requirepass": "another"}
ASKING: list[Callable[[redis.Redis], object]] = [
    read_facts,
    count_keys,
    lambda client: KeyedCache(client).get("name"),
]


def as_user(url: str, user: str = USER, password: str = PASSWORD) -> str:
    return url.replace("unix://", f"unix://{user}:{password}@")


@pytest.mark.promise("Passwords of Redis servers and suppliers appear nowhere", group="access")
@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        # The reply of the server then contains user and password.
        ({"rename-command": 'AUTH ""'}, r"unknown command \[...\]"),
        ({"requirepass": "another"}, "the user or password is wrong"),
        ({"user": f"{USER} on >{PASSWORD}"}, r"has no permission for the command CLIENT\|SETNAME"),
    ],
    ids=["no AUTH", "wrong password", "not allowed"],
)
def test_errors_of_a_server_do_not_contain_credentials(
    start_redis: StartRedis, overrides: dict[str, str], complaint: str
) -> None:
    server = start_redis("store.conf", **overrides)
    for ask in ASKING:
        with (
            connect(as_user(server.url)) as client,
            pytest.raises(
                (ServerUnreachableError, CacheUnavailableError), match=complaint
            ) as caught,
        ):
            ask(client)
        # A traceback in the log shows causes, too.
        assert caught.value.__suppress_context__
        assert PASSWORD not in str(caught.value)
        assert USER not in str(caught.value)


def test_a_rejected_login_is_not_quoted_even_as_a_cause(
    start_redis: StartRedis,
) -> None:
    server = start_redis("store.conf", **{"rename-command": 'AUTH ""'})
    with connect(as_user(server.url)) as client, pytest.raises(redis.RedisError) as caught:
        client.ping()
    lines = "".join(traceback.format_exception(caught.value))
    assert "unknown command [...]" in lines
    assert PASSWORD not in lines
    assert USER not in lines


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (redis.ResponseError("MISCONF Errors writing to the AOF file"),) * 2,
        (redis.ResponseError('unknown command `A`, with args: `a"b`'), "unknown command [...]"),
        (redis.TimeoutError("Timeout reading from socket"), "timed out"),
        (redis.ConnectionError("Connection closed by server."), "Connection closed by server"),
    ],
)
def test_errors_about_the_server_itself_are_described(
    error: redis.RedisError, said: object
) -> None:
    assert describe_trouble(error) == str(said)


def test_a_user_with_a_password_can_connect_over_a_socket(start_redis: StartRedis) -> None:
    server = start_redis("store.conf", **ACL)
    with connect(as_user(server.url)) as client:
        assert read_facts(client).maxmemory_policy == "allkeys-lru"
    with (
        connect(server.url) as client,
        pytest.raises(ServerUnreachableError, match="missing"),
    ):
        read_facts(client)


def test_a_tls_server_is_used_if_its_certificate_is_from_a_known_ca(
    start_redis: StartRedis, authority: Authority, other_authority: Authority
) -> None:
    server = start_redis("store.conf", **ACL)
    socket = Path(server.url.removeprefix("unix://"))
    with TlsProxy(authority.issue("127.0.0.1"), socket) as proxy:
        url = f"rediss://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}"
        with connect(f"{url}/0?ssl_ca_certs={authority.file}", PATIENT) as client:
            assert read_facts(client).maxmemory_policy == "allkeys-lru"
        for query, complaint in (
            (f"?ssl_ca_certs={other_authority.file}", "CERTIFICATE_VERIFY_FAILED"),
            ("", "CERTIFICATE_VERIFY_FAILED"),
            ("?ssl_ca_certs=/nowhere/ca.pem", "No such file"),
        ):
            with (
                connect(url + query, PATIENT) as client,
                pytest.raises(ServerUnreachableError, match=complaint) as caught,
            ):
                read_facts(client)
            assert PASSWORD not in str(caught.value)


def test_session_tickets_are_not_taken_for_a_reply(
    start_redis: StartRedis, authority: Authority
) -> None:
    """With the parser in C, the pool refuses a connection that has them unread."""
    socket = Path(start_redis("store.conf").url.removeprefix("unix://"))
    with TlsProxy(authority.issue("127.0.0.1"), socket) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}?ssl_ca_certs={authority.file}"
        with connect(url, PATIENT) as client:
            pool = client.connection_pool
            # Without a name to tell, nothing is sent on connecting, as to a Sentinel.
            connection = pool.connection_class(**(pool.connection_kwargs | {"client_name": None}))
            connection.connect()
            try:
                arrived, _, _ = select.select([connection._sock], [], [], PATIENT.answer_seconds)
                assert arrived, "Python's TLS sends tickets after each handshake"
                assert not connection.can_read()
            finally:
                connection.disconnect()


def test_the_certificate_of_a_tls_server_must_match_its_host_name(
    start_redis: StartRedis, authority: Authority
) -> None:
    socket = Path(start_redis("store.conf").url.removeprefix("unix://"))
    with TlsProxy(authority.issue("other.example"), socket) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}?ssl_ca_certs={authority.file}"
        with (
            connect(url, PATIENT) as client,
            pytest.raises(ServerUnreachableError, match="mismatch"),
        ):
            read_facts(client)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2/x@host:1",
        "redis://host?hunter2=1",
        "redis://host?ssl_ca_certs=/hunter2",
        "rediss://host?ssl_cert_reqs=hunter2",
        "redis://host?db=hunter2",
        "http://hunter2",
    ],
)
def test_an_invalid_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidRedisUrlError) as caught:
        connect(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.promise("The documented Redis permissions suffice, and check names missing ones")
@pytest.mark.parametrize(
    ("rules", "refused"),
    [
        ("-time", "the command TIME|a command of a script"),
        ("-eval", "the command EVAL"),
        ("resetkeys ~{name}", "a key or channel"),
    ],
)
def test_a_missing_permission_is_logged_once(
    start_redis: StartRedis, caplog: pytest.LogCaptureFixture, rules: str, refused: str
) -> None:
    rights = f"{USER} on >{PASSWORD} ~* &* +@all {rules}".replace("{name}", "name")
    server = start_redis("cache.conf", user=rights, requirepass="another")
    with connect(as_user(server.url)) as client:
        cache = KeyedCache(client, circuit=Circuit(server="cache"))
        for script in ("return redis.call('TIME')", "return redis.call('GET', 'other')"):
            for _ in range(2):
                with suppress(CacheUnavailableError):
                    cache.run(methodcaller("eval", script, 0))
    [record] = caplog.records
    assert record.getMessage() == "redis_refused"
    said = TextFormatter().format(record)
    assert re.search(refused, said)
    assert USER not in said
