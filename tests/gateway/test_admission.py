"""Admission of requests by host and origin, and refusal of ambiguous ones."""

import json
import socket
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.app.conftest import PATIENCE_SECONDS, StartProgram
from tests.gateway.asking import ORCHARD, V5, Answer, ask, await_http, get, post

JOB = {"memoryMap": [ORCHARD], "stacks": [[[0, 4272]]]}
BODY = json.dumps(JOB).encode()
PATHS = "/", "/__heartbeat__", "/__version__", "/nowhere"
FOREIGN = "https://attacker.example"
TYPES = "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"


def exchange(address: str, request: bytes) -> bytes:
    """Send bytes and return everything received until the connection is closed."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        answer = bytearray()
        while piece := connection.recv(65536):
            answer += piece
        return bytes(answer)


@pytest.mark.promise(
    "A proxy and the gateway never see different requests on one connection", group="access"
)
@pytest.mark.parametrize(
    "head",
    [
        b"POST /symbolicate/v5 HTTP/1.1\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n",
        b"POST /symbolicate/v5 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n",
    ],
)
def test_a_body_with_two_lengths_is_refused_and_its_connection_closed(
    gateway: str, head: bytes
) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    smuggled = b"GET /__version__ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    request = head % len(body) + b"Host: localhost\r\n\r\n" + body + smuggled
    answer = exchange(gateway, request)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer.lower()


@pytest.mark.promise("A proxy and the gateway never see different requests on one connection")
def test_chunks_are_refused_in_http_1_0(gateway: str) -> None:
    head = b"POST /symbolicate/v5 HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = exchange(gateway, head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.promise(
    "Only pages of allowed origins can use the gateway from a browser", group="access"
)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:8080",
        "localhost.attacker.example",
        "10.0.0.1",
        "",
    ],
)
def test_an_unknown_host_is_refused(gateway: str, path: str, host: str) -> None:
    answer = get(gateway, path, Host=host)
    assert answer.status == 421
    assert "SYMBOLON_HTTP_HOSTS" in answer.title


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.9.9.9:80", "[::1]:8080"]
)
def test_a_host_of_this_machine_is_served(gateway: str, host: str) -> None:
    assert get(gateway, "/__lbheartbeat__", Host=host).status == 200


@pytest.mark.promise("A proxy and the gateway never see different requests on one connection")
def test_a_request_with_several_hosts_is_refused(gateway: str) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example\r\n\r\n"
    assert exchange(gateway, request).startswith(b"HTTP/1.1 400 ")


def test_http_1_0_without_a_host_is_served(gateway: str) -> None:
    answer = exchange(gateway, b"GET /__lbheartbeat__ HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.promise("Only pages of allowed origins can use the gateway from a browser")
def test_no_redirect_leads_to_the_host_of_the_request(gateway: str) -> None:
    for path in (f"{V5}/", "/__version__/"):
        answer = get(gateway, path)
        assert answer.status == 404
        assert "location" not in answer.headers


@pytest.mark.promise("Only pages of allowed origins can use the gateway from a browser")
@pytest.mark.parametrize("content_type", TYPES)
def test_a_page_of_another_origin_is_refused_whatever_the_type(
    gateway: str, content_type: str
) -> None:
    for origin in (FOREIGN, "null", "http://127.0.0.1:1", "http://", "127.0.0.1"):
        answer = post(gateway, V5, JOB, Origin=origin, Content_Type=content_type)
        assert answer.status == 403, origin
        assert "access-control-allow-origin" not in answer.headers
    answer = post(gateway, V5, JOB, Sec_Fetch_Site="cross-site", Content_Type=content_type)
    assert answer.status == 403


@pytest.mark.parametrize("content_type", [*TYPES, None])
def test_a_body_without_an_origin_is_read_whatever_its_type(
    gateway: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content_Type": content_type}
    assert_answered(post(gateway, V5, JOB, **headers))


def test_the_gateways_own_page_may_call_it_also_behind_a_proxy_that_ends_tls(gateway: str) -> None:
    for origin in (f"http://{gateway}", f"https://{gateway}"):
        assert_answered(post(gateway, V5, JOB, Origin=origin, Sec_Fetch_Site="same-origin"))


def test_a_link_from_another_site_may_open_only_the_page(gateway: str) -> None:
    headers = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert get(gateway, "/", **headers).status == 200
    assert post(gateway, V5, JOB, **headers).status == 403
    assert get(gateway, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403


def test_no_other_page_may_call_unless_it_is_allowed(gateway: str) -> None:
    assert preflight(gateway, FOREIGN).status == 403


def assert_answered(answer: Answer) -> None:
    assert answer.status == 200, answer
    assert answer.content["results"][0]["stacks"][0][0]["function"] == "_start"


PROFILER = "https://profiler.example"


@pytest.fixture
def open_gateway(serve: StartProgram) -> str:
    """A gateway with a host name that pages of the profiler may call."""
    origins = f"{PROFILER}, http://[::1]:99"
    return await_http(serve(http="127.0.0.1:0", http_origins=origins, http_hosts="symbols.example"))


def preflight(address: str, origin: str, **more: Any) -> Answer:
    return ask(
        address, "OPTIONS", V5, None, Access_Control_Request_Method="POST", Origin=origin, **more
    )


@pytest.mark.promise("Only pages of allowed origins can use the gateway from a browser")
def test_pages_of_an_allowed_origin_may_call(open_gateway: str) -> None:
    check_preflight(open_gateway)
    check_answers(open_gateway)
    check_others(open_gateway)


def check_preflight(address: str) -> None:
    wanted = "authorization,content-type,debug,user-agent"
    answer = preflight(
        address,
        PROFILER,
        Access_Control_Request_Headers=wanted,
        Access_Control_Request_Private_Network="true",
    )
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PROFILER
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert set(wanted.split(",")) <= set(allowed)
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    assert preflight(address, PROFILER, Access_Control_Request_Headers="cookie").status == 400
    assert preflight(address, FOREIGN).status == 403


def check_answers(address: str) -> None:
    """Pages can read refusals, too; responses that depend on the origin say so in `Vary`."""
    answered = post(address, V5, JOB, Origin=PROFILER, Sec_Fetch_Site="cross-site")
    assert_answered(answered)
    refused = post(address, V5, b"{", Origin=PROFILER)
    assert refused.status == 400
    for answer in (answered, refused):
        assert answer.headers["access-control-allow-origin"] == PROFILER
        assert "Origin" in answer.headers["vary"]
    assert "Origin" in get(address, "/__version__").headers["vary"]


def check_others(address: str) -> None:
    for origin in (FOREIGN, PROFILER.replace("https", "http"), f"{PROFILER}:8443"):
        assert post(address, V5, JOB, Origin=origin).status == 403
    for host in ("symbols.example", "Symbols.Example:443"):
        assert get(address, "/__version__", Host=host).status == 200
    assert get(address, "/__version__", Host="other.example").status == 421


def test_a_connection_stays_open_after_an_unambiguous_refusal(gateway: str) -> None:
    connection = HTTPConnection(gateway, timeout=PATIENCE_SECONDS)
    for headers, status in (({"Origin": FOREIGN}, 403), ({}, 200)):
        connection.request("POST", V5, BODY, headers)
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()
