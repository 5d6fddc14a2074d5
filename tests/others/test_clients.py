"""Third-party clients against a real server."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.fixtures.certificates import Authority
from tests.fixtures.installing import INSTALL_SECONDS
from tests.others.clients import CLIENTS, Client, Outcome, Question
from tests.others.conftest import Server

pytestmark = [pytest.mark.installs, pytest.mark.timeout(INSTALL_SECONDS + 60)]

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED = 0, 3, 4, 7
UNAVAILABLE, UNAUTHENTICATED = 14, 16
SILENT = {"buf by reflection"}
"""Clients that do not report why reflection was refused."""

TRYING_SECONDS = 2.0
"""Some clients keep reconnecting until their deadline."""

ORCHARD = {"debug_file": "orchard", "debug_id": "C3D8E3C7B6594DF1DFCA907993B477250"}
SLOW = {"debug_file": "slow", "debug_id": "00112233445566778899AABBCCDDEEFF0"}
SYMBOLICATE = "symbolon.v1.SymbolicationService/Symbolicate"
PREFETCH = "symbolon.v1.ModuleService/PrefetchModules"
STREAM = "symbolon.v1.SymbolicationService/SymbolicateStream"
HEALTH = "grpc.health.v1.Health/Check"


def report(module: dict[str, str], offset: int, module_index: int = 0) -> dict[str, Any]:
    frame = {"module_index": module_index, "module_offset": offset}
    return {"modules": [module], "stacks": [{"frames": [frame]}]}


def ask(server: Server, method: str, *messages: dict[str, Any]) -> Question:
    return Question(server.address, method, messages, server.access)


@pytest.mark.parametrize("server", ["secured", "plain"])
def test_a_report_is_symbolicated(
    client: Client, server: str, request: pytest.FixtureRequest
) -> None:
    asked = ask(request.getfixturevalue(server), SYMBOLICATE, report(ORCHARD, 4624))
    outcome = client(asked)
    assert outcome.code == OK
    (answer,) = outcome.answers
    (frame,) = answer["stacks"][0]["frames"]
    assert frame["function"] == "orchard::grade(orchard::Crate const&)"
    assert frame["line"] == 9
    assert [inline["line"] for inline in frame["inlines"]] == [19, 24, 32]
    assert frame["outcome"] == "FRAME_OUTCOME_SYMBOLICATED"
    assert answer["modules"] == [{"outcome": "MODULE_OUTCOME_FOUND"}]


def test_a_stream_continues_after_a_bad_report(client: Client, secured: Server) -> None:
    reports = {"a": report(ORCHARD, 4210), "bad": report(ORCHARD, 0, 7), "b": report(ORCHARD, 4555)}
    messages = [{"id": name, "request": one} for name, one in reports.items()]
    outcome = client(ask(secured, STREAM, *messages))
    assert outcome.code == OK
    answers = {answer["id"]: answer for answer in outcome.answers}
    assert answers.keys() == reports.keys()
    assert answers["bad"]["error"]["code"] == "STATUS_CODE_INVALID_ARGUMENT"
    functions = [
        answers[name]["response"]["stacks"][0]["frames"][0]["function"] for name in ("a", "b")
    ]
    assert functions == ["main", "orchard::ship(orchard::Crate const*, int)"]


def test_an_error_names_each_invalid_field(client: Client, secured: Server) -> None:
    bad = report(ORCHARD | {"debug_file": "a/b"}, 0, 7)
    outcome = client(ask(secured, SYMBOLICATE, bad))
    assert outcome.answers == []
    assert outcome.code == INVALID_ARGUMENT
    assert outcome.fields == ["modules[0].debug_file", "stacks[0].frames[0].module_index"]


@pytest.fixture(scope="module")
def asked_for_long(secured: Server) -> Iterator[Mapping[str, Future[Outcome]]]:
    """The outcome for a module that takes too long, by client; they wait for it together."""
    question = replace(ask(secured, SYMBOLICATE, report(SLOW, 0)), seconds=3.0)
    with ThreadPoolExecutor(len(CLIENTS)) as pool:
        yield {name: pool.submit(client, question) for name, client in CLIENTS.items()}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_call_is_answered_with_what_is_known_before_its_deadline(
    asked_for_long: Mapping[str, Future[Outcome]], name: str
) -> None:
    outcome = asked_for_long[name].result()
    assert outcome.code == OK
    (answer,) = outcome.answers
    assert answer["modules"][0]["outcome"] == "MODULE_OUTCOME_PENDING"


def test_a_call_with_too_short_a_deadline_fails_with_it(client: Client, secured: Server) -> None:
    outcome = client(replace(ask(secured, SYMBOLICATE, report(ORCHARD, 0)), seconds=0.0001))
    assert (outcome.code, outcome.answers) == (DEADLINE_EXCEEDED, [])


def with_access(question: Question, **changed: Any) -> Question:
    """Return the call with other credentials."""
    assert question.access is not None
    return replace(question, access=replace(question.access, **changed))


def test_an_untrusted_server_is_not_called(
    client: Client, secured: Server, other_authority: Authority
) -> None:
    asked = with_access(ask(secured, HEALTH, {}), ca=other_authority.file)
    outcome = client(replace(asked, seconds=TRYING_SECONDS))
    assert outcome.answers == []
    assert outcome.code in {UNAVAILABLE, DEADLINE_EXCEEDED}


@pytest.mark.promise(
    "Clients without a certificate from the configured CA are not served", group="access"
)
def test_a_client_without_a_certificate_is_rejected(client: Client, secured: Server) -> None:
    asked = with_access(ask(secured, HEALTH, {}), certificate=None)
    outcome = client(replace(asked, seconds=TRYING_SECONDS))
    assert outcome.answers == []
    # By TLS 1.3 the refusal comes after the client's first words; what it calls that is its own.
    assert outcome.code != OK


@pytest.mark.promise("No call is answered without a token that permits it", group="access")
@pytest.mark.parametrize("token", [None, "unknown-0123456789abcdef"])
@pytest.mark.parametrize("name", [name for name in CLIENTS if name not in SILENT])
def test_a_client_without_a_known_token_is_rejected(
    secured: Server, name: str, token: str | None
) -> None:
    outcome = CLIENTS[name](
        with_access(ask(secured, SYMBOLICATE, report(ORCHARD, 4624)), token=token)
    )
    assert (outcome.code, outcome.answers) == (UNAUTHENTICATED, [])


@pytest.mark.promise("No call is answered without a token that permits it")
def test_a_token_permits_only_its_calls(client: Client, secured: Server) -> None:
    outcome = client(ask(secured, PREFETCH, {"modules": [ORCHARD]}))
    assert (outcome.code, outcome.answers) == (PERMISSION_DENIED, [])


def test_health_says_that_the_server_serves(client: Client, secured: Server) -> None:
    assert client(ask(secured, HEALTH, {})).answers == [{"status": "SERVING"}]
