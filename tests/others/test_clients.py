"""Real clients that nobody here wrote, against a real server."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fixtures.certificates import Authority
from tests.fixtures.installing import INSTALL_SECONDS
from tests.others.clients import Client, Question
from tests.others.conftest import Server

pytestmark = [pytest.mark.installs, pytest.mark.timeout(INSTALL_SECONDS + 60)]

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, UNAVAILABLE = 0, 3, 4, 14
ORCHARD = {"debug_file": "orchard", "debug_id": "C3D8E3C7B6594DF1DFCA907993B477250"}
SLOW = {"debug_file": "slow", "debug_id": "00112233445566778899AABBCCDDEEFF0"}
SYMBOLICATE = "symbolon.v1.SymbolicationService/Symbolicate"
STREAM = "symbolon.v1.SymbolicationService/SymbolicateStream"
HEALTH = "grpc.health.v1.Health/Check"


def report(module: dict[str, str], offset: int, module_index: int = 0) -> dict[str, Any]:
    frame = {"module_index": module_index, "module_offset": offset}
    return {"modules": [module], "stacks": [{"frames": [frame]}]}


def ask(server: Server, method: str, *messages: dict[str, Any]) -> Question:
    return Question(server.address, method, messages, server.ca)


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


def test_a_stream_answers_each_report_and_goes_on_after_a_bad_one(
    client: Client, secured: Server
) -> None:
    reports = {"a": report(ORCHARD, 4210), "bad": report(ORCHARD, 0, 7), "b": report(ORCHARD, 4555)}
    messages = [{"id": name, "request": one} for name, one in reports.items()]
    outcome = client(ask(secured, STREAM, *messages))
    assert outcome.code == OK
    answers = {answer["id"]: answer for answer in outcome.answers}
    assert answers.keys() == reports.keys()
    assert answers["bad"]["error"]["code"] == INVALID_ARGUMENT
    functions = [
        answers[name]["response"]["stacks"][0]["frames"][0]["function"] for name in ("a", "b")
    ]
    assert functions == ["main", "orchard::ship(orchard::Crate const*, int)"]


def test_an_error_names_each_field_that_is_wrong(client: Client, secured: Server) -> None:
    bad = report(ORCHARD | {"debug_file": "a/b"}, 0, 7)
    outcome = client(ask(secured, SYMBOLICATE, bad))
    assert outcome.answers == []
    assert outcome.code == INVALID_ARGUMENT
    assert outcome.fields == ["modules[0].debug_file", "stacks[0].frames[0].module_index"]


def test_a_call_is_answered_with_what_is_known_before_its_deadline(
    client: Client, secured: Server
) -> None:
    outcome = client(replace(ask(secured, SYMBOLICATE, report(SLOW, 0)), seconds=3.0))
    assert outcome.code == OK
    (answer,) = outcome.answers
    assert answer["modules"][0]["outcome"] == "MODULE_OUTCOME_PENDING"


def test_a_call_whose_deadline_is_too_short_says_so(client: Client, secured: Server) -> None:
    outcome = client(replace(ask(secured, SYMBOLICATE, report(ORCHARD, 0)), seconds=0.0001))
    assert (outcome.code, outcome.answers) == (DEADLINE_EXCEEDED, [])


def test_a_server_that_nobody_known_vouches_for_is_not_asked(
    client: Client, secured: Server, strange_authority: Authority
) -> None:
    asked = replace(ask(secured, HEALTH, {}), ca=strange_authority.file, seconds=5.0)
    outcome = client(asked)
    assert outcome.answers == []
    assert outcome.code in {UNAVAILABLE, DEADLINE_EXCEEDED}


def test_health_says_that_the_server_serves(client: Client, secured: Server) -> None:
    assert client(ask(secured, HEALTH, {})).answers == [{"status": "SERVING"}]
