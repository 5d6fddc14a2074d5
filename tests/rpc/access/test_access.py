"""Tokens of calls, on a real server."""

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import grpc
import pytest

from symbolon.v1 import module_service_pb2, store_service_pb2, symbolication_service_pb2
from symbolon_server.rpc.access.access import OPERATOR_METHODS, name_of_peer, permission_for
from symbolon_server.rpc.access.protection import Protection
from symbolon_server.rpc.access.tokens import Permission, Tokens
from symbolon_server.telemetry.logs import JsonFormatter
from tests.rpc.access.protected import (
    GET_MODULE,
    HEALTH_CHECK,
    REFLECTION,
    bearing,
    call,
    channel_to,
    serving,
    write_tokens,
)
from tests.rpc.scripted import count_of

PIPELINE = "pipeline-0123456789abcdef"
OPERATOR = "operator-0123456789abcdef"
INVALIDATE = "/symbolon.v1.ModuleService/InvalidateModules"
PREFETCH = "/symbolon.v1.ModuleService/PrefetchModules"
STREAM = "/symbolon.v1.SymbolicationService/SymbolicateStream"
NO_SUCH_METHOD = "/symbolon.v1.ModuleService/Nothing"

OK = grpc.StatusCode.OK
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_tokens(
        tmp_path / "tokens",
        ("pipeline", "symbolicate", PIPELINE),
        ("operator", "operate", OPERATOR),
    )


@pytest.fixture
def channel(file: Path) -> Iterator[grpc.Channel]:
    """A channel to a server that requires tokens."""
    with serving(Protection(tokens=Tokens(file))) as address, channel_to(address) as channel:
        yield channel


@pytest.mark.promise("No call is answered without a token that permits it")
@pytest.mark.parametrize(
    ("method", "pipeline", "operator"),
    [
        (GET_MODULE, OK, DENIED),
        # Admitted, to a service that does not have them.
        (INVALIDATE, DENIED, UNIMPLEMENTED),
        (PREFETCH, DENIED, UNIMPLEMENTED),
        (NO_SUCH_METHOD, UNIMPLEMENTED, DENIED),
        (REFLECTION, OK, OK),
        (HEALTH_CHECK, OK, OK),
    ],
)
def test_a_token_allows_what_its_permissions_say(
    channel: grpc.Channel, method: str, pipeline: grpc.StatusCode, operator: grpc.StatusCode
) -> None:
    assert call(channel, method, bearing(PIPELINE)) is pipeline
    assert call(channel, method, bearing(OPERATOR)) is operator


@pytest.mark.promise("No call is answered without a token that permits it")
@pytest.mark.parametrize(
    "method", [GET_MODULE, INVALIDATE, STREAM, REFLECTION, NO_SUCH_METHOD, "/a.B/C"]
)
def test_calls_without_a_token_are_refused(channel: grpc.Channel, method: str) -> None:
    assert call(channel, method) is UNAUTHENTICATED


@pytest.mark.promise(
    "Health needs no token; reflection needs one, and can be switched off", group="access"
)
def test_health_checks_need_no_token(channel: grpc.Channel) -> None:
    assert call(channel, HEALTH_CHECK) is OK
    assert call(channel, HEALTH_CHECK, bearing("an-unknown-token-0123456789")) is OK


@pytest.mark.promise("No call is answered without a token that permits it")
@pytest.mark.parametrize(
    "metadata",
    [
        bearing("an-unknown-token-0123456789"),
        bearing(""),
        bearing(PIPELINE + " "),
        (("authorization", PIPELINE),),
        (("authorization", f"Basic {PIPELINE}"),),
        (("token", PIPELINE),),
        bearing("an-unknown-token-0123456789") + bearing(PIPELINE),
        bearing(PIPELINE) + bearing(PIPELINE),
    ],
)
def test_anything_but_one_known_token_is_refused(
    channel: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    assert call(channel, GET_MODULE, metadata) is UNAUTHENTICATED


def test_the_scheme_may_be_written_in_any_case(channel: grpc.Channel) -> None:
    assert call(channel, GET_MODULE, (("authorization", f"bEARER {PIPELINE}"),)) is OK


def test_a_refusal_says_what_is_wrong_and_repeats_nothing_of_the_call(
    channel: grpc.Channel,
) -> None:
    asking = channel.unary_unary(GET_MODULE, request_serializer=bytes, response_deserializer=bytes)
    for metadata, said in (
        (bearing("an-unknown-token-0123456789"), "the token is missing or unknown"),
        (bearing(OPERATOR), "the token lacks the permission symbolicate"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            asking(b"", timeout=20, metadata=(*metadata, ("x-request-id", "crash-17")))
        assert caught.value.details() == said
        told: list[object] = [entry.value for entry in caught.value.trailing_metadata()]
        assert told == ["crash-17"]


def test_refusals_are_counted_and_are_not_in_flight(channel: grpc.Channel) -> None:
    def counted() -> list[float]:
        denied = [
            count_of("symbolon_calls_denied_total", code=code.name)
            for code in (UNAUTHENTICATED, DENIED)
        ]
        return [*denied, count_of("symbolon_calls_in_flight")]

    before = counted()
    call(channel, GET_MODULE)
    call(channel, INVALIDATE, bearing(PIPELINE))
    assert counted() == [before[0] + 1, before[1] + 1, before[2]]


def test_the_log_of_calls_names_the_caller_and_shows_no_token(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    protection = Protection(tokens=Tokens(file))
    with (
        caplog.at_level(logging.INFO),
        serving(protection, logs_calls=True) as address,
        channel_to(address) as channel,
    ):
        call(channel, GET_MODULE, bearing(PIPELINE))
        call(channel, INVALIDATE, bearing(OPERATOR))
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    ended = [line for line in lines if line["event"] == "call_ended"]
    assert [(line["method"], line["caller"]) for line in ended] == [
        ("GetModule", "pipeline"),
        ("InvalidateModules", "operator"),
    ]
    assert not any(token in json.dumps(lines) for token in (PIPELINE, OPERATOR))


@pytest.mark.promise(
    "Certificates and tokens are reloaded; invalid files change nothing", group="access"
)
def test_tokens_change_on_an_open_connection(file: Path) -> None:
    now = [0.0]
    tokens = Tokens(file, lambda: now[0])
    with serving(Protection(tokens=tokens)) as address, channel_to(address) as channel:
        assert call(channel, GET_MODULE, bearing(PIPELINE)) is OK
        write_tokens(file, ("pipeline", "symbolicate", "another-0123456789abcdef"))
        now[0] += 1
        assert call(channel, GET_MODULE, bearing(PIPELINE)) is UNAUTHENTICATED
        assert call(channel, GET_MODULE, bearing("another-0123456789abcdef")) is OK


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("ipv4:192.0.2.7:41234", "ipv4:192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:aaaa::1%5D:41234", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:bbbb::2]:41235", "ipv6:2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:3::1%5D:41234", "ipv6:2001:db8:1:3::/64"),
        ("ipv6:%5Bfe80::1%25eth0%5D:41234", "ipv6:fe80::/64"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:41234", "ipv4:192.0.2.7"),
        ("ipv6:%5Bunknown%5D:41234", "ipv6:[unknown]"),
        ("unix:", "unix"),
        ("unix:/run/symbolon:", "unix:/run/symbolon"),
    ],
)
def test_callers_without_tokens_are_named_by_their_address_or_network(peer: str, name: str) -> None:
    class Context:
        def peer(self) -> str:
            return peer

    assert name_of_peer(cast("grpc.ServicerContext", Context())) == name


def test_callers_over_ipv6_are_named_by_their_network() -> None:
    names = []

    def handle(_: bytes, context: grpc.ServicerContext) -> bytes:
        names.append(name_of_peer(context))
        return b""

    with ThreadPoolExecutor() as threads:
        server = grpc.server(threads)
        handler = grpc.method_handlers_generic_handler(
            "test.Names", {"Name": grpc.unary_unary_rpc_method_handler(handle)}
        )
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("[::1]:0")
        server.start()
        with grpc.insecure_channel(f"[::1]:{port}") as channel:
            channel.unary_unary("/test.Names/Name", bytes, bytes)(b"", timeout=20)
        server.stop(None).wait()
    assert names == ["ipv6:::/64"]


def test_without_tokens_every_call_is_allowed() -> None:
    with serving(Protection()) as address, channel_to(address) as channel:
        assert call(channel, GET_MODULE) is OK
        assert call(channel, INVALIDATE) is UNIMPLEMENTED
        assert call(channel, REFLECTION) is OK


@pytest.mark.promise("Health needs no token; reflection needs one, and can be switched off")
def test_reflection_can_be_switched_off() -> None:
    with serving(Protection(), has_reflection=False) as address, channel_to(address) as channel:
        assert call(channel, REFLECTION) is UNIMPLEMENTED
        assert call(channel, GET_MODULE) is OK


def test_every_method_of_the_api_has_its_permission() -> None:
    services = [
        service
        for file in (module_service_pb2, store_service_pb2, symbolication_service_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    ]
    methods = {f"/{one.full_name}/{method.name}" for one in services for method in one.methods}
    assert methods >= OPERATOR_METHODS
    assert {permission_for(method) for method in methods} == set(Permission)
    for method in methods:
        is_reading = method.rpartition("/")[2].startswith(("Get", "List", "Symbolicate", "Explain"))
        expected = Permission.SYMBOLICATE if is_reading else Permission.OPERATE
        assert permission_for(method) is expected, method
