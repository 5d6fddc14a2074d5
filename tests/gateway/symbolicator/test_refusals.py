"""Requests that Symbolicator refuses are refused, with the field that is wrong."""

from typing import Any

import pytest

from symbolon import InvalidReportError
from symbolon_server.gateway.reading import BodyLimits
from symbolon_server.gateway.symbolicator.requests import parse_stacks
from tests.gateway.asking import ask, get, post
from tests.gateway.symbolicator.conftest import PATH

LIMITS = BodyLimits(max_modules=2, max_frames=3)
ADDRESS = {"instruction_addr": "0x1"}


def with_frame(**fields: Any) -> dict[str, Any]:
    return {"stacktraces": [{"frames": [ADDRESS, {**ADDRESS, **fields}]}]}


def with_module(**fields: Any) -> dict[str, Any]:
    return {"modules": [{"type": "elf", **fields}]}


FRAME = "stacktraces[0].frames[1]"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ([], "the body must be an object"),
        ({"stacktraces": {}}, "stacktraces must be a list"),
        ({"modules": None}, "modules must be a list"),
        ({"signal": "SIGSEGV"}, "body.signal must be an integer from 0 to 4294967295"),
        ({"options": []}, "options must be an object"),
        ({"options": {"dif_candidates": 1}}, "options.dif_candidates must be true or false"),
        (
            {"options": {"frame_order": "up"}},
            "options.frame_order must be callee_first or caller_first",
        ),
        ({"stacktraces": [7]}, "stacktraces[0] must be an object"),
        ({"stacktraces": [{}]}, "stacktraces[0].frames must be a list"),
        ({"stacktraces": [{"frames": [7]}]}, "stacktraces[0].frames[0] must be an object"),
        (
            {"stacktraces": [{"frames": [{}]}]},
            "stacktraces[0].frames[0].instruction_addr is missing",
        ),
        (
            {"stacktraces": [{"frames": [], "thread_id": -1}]},
            "stacktraces[0].thread_id must be an integer from 0 to 18446744073709551615",
        ),
        (
            {"stacktraces": [{"frames": [], "registers": []}]},
            "stacktraces[0].registers must be an object with an address for each register",
        ),
        (with_frame(addr_mode="rel:x"), f"{FRAME}.addr_mode must be abs, or rel: and the index"),
        (with_frame(addr_mode="rel:-1"), f"{FRAME}.addr_mode must be abs, or rel: and the index"),
        (with_frame(addr_mode=[]), f"{FRAME}.addr_mode must be abs, or rel: and the index"),
        (with_frame(trust="blind"), f"{FRAME}.trust must be one of cfi, cfiscan"),
        (with_frame(trust=[]), f"{FRAME}.trust must be one of cfi, cfiscan"),
        (with_frame(lineno=2**32), f"{FRAME}.lineno must be an integer from 0 to 4294967295"),
        (with_frame(lineno=True), f"{FRAME}.lineno must be an integer"),
        (with_frame(package=7), f"{FRAME}.package must be a string"),
        (with_frame(pre_context=[7]), f"{FRAME}.pre_context must be a list of strings"),
        (with_frame(adjust_instruction_addr=1), f"{FRAME}.adjust_instruction_addr must be true"),
        (with_module(type=7), "modules[0].type must be a string"),
        ({"modules": [{}]}, "modules[0].type is missing"),
        (with_module(image_size=-1), "modules[0].image_size must be an integer from 0"),
        (with_module(debug_id=7), "modules[0].debug_id must be a string"),
        ({"modules": [{"type": ""}] * 3}, "modules: 3 in all, the limit is 2"),
        ({"stacktraces": [{"frames": []}] * 4}, "stacktraces: 4 in all, the limit is 3"),
        ({"stacktraces": [{"frames": [ADDRESS] * 2}] * 2}, "frames: 4 in all, the limit is 3"),
    ],
)
def test_what_is_wrong_is_named(payload: object, message: str) -> None:
    with pytest.raises(InvalidReportError) as caught:
        parse_stacks(payload, LIMITS)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "0x",
        "1f",
        "0x1_0",
        " 1",
        "-1",
        "0x1g",
        "+1",
        "²",
        1.0,
        True,
        [],
        2**64,
        f"0x1{16 * '0'}",
    ],
)
def test_an_address_is_an_integer_or_a_string(address: object) -> None:
    with pytest.raises(InvalidReportError, match="instruction_addr must be an integer"):
        parse_stacks(with_frame(instruction_addr=address), LIMITS)


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("0x1f", 31),
        ("0X1F", 31),
        ("31", 31),
        (32, 32),
        (-1, 2**64 - 1),
        ("0x" + 40 * "0" + 16 * "f", 2**64 - 1),
        (str(2**64 - 1), 2**64 - 1),
    ],
)
def test_addresses_have_several_spellings(address: object, value: int) -> None:
    request = parse_stacks(with_frame(instruction_addr=address), LIMITS)
    assert request.stacks[0].frames[1].address == value


def test_fields_that_are_null_or_unknown_are_left_out() -> None:
    payload = {**with_frame(package=None, image_vmaddr="0x0", vars={"a": 1}), **with_module(x=1)}
    request = parse_stacks(payload, LIMITS)
    assert not request.stacks[0].frames[1].fields
    assert request.modules[0].fields == {"type": "elf", "image_addr": "0x0"}


def test_refusals_have_the_statuses_of_the_gateway(stacks: str) -> None:
    assert post(stacks, PATH, b"{").status == 400
    answer = post(stacks, PATH, with_frame(lineno="x"))
    assert (answer.status, answer.title.startswith(f"{FRAME}.lineno must")) == (400, True)
    for timeout in ("", "x", "-1", "1.5", "1" * 30):
        answer = post(stacks, f"{PATH}?timeout={timeout}", {})
        assert (answer.status, answer.title) == (400, "timeout must be a number of seconds")
    assert post(stacks, PATH, {}, Content_Encoding="gzip").status == 415
    assert post(stacks, PATH, b"[" * 2_000_000).title.startswith("Payload has 2000000 parts")
    assert post(stacks, PATH, {}, Host="attacker.example").status == 421
    assert post(stacks, PATH, {}, Origin="https://attacker.example").status == 403
    assert get(stacks, PATH).status == 405


def test_a_request_without_stacks_is_complete(stacks: str) -> None:
    answer = post(stacks, PATH, {}).content
    assert answer == {"status": "completed", "stacktraces": [], "modules": []}


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/minidump", "minidump-stackwalk"),
        ("/applecrashreport", "/symbolicate/text"),
        ("/symbolicate-js", "POST /symbolicate"),
        ("/symbolicate-jvm", "POST /symbolicate"),
        ("/symbolicate-any", "POST /symbolicate"),
    ],
)
def test_other_endpoints_say_what_to_use_instead(stacks: str, path: str, instead: str) -> None:
    answer = post(stacks, path, b"MDMP")
    assert (answer.status, instead in answer.title) == (501, True)


def test_the_proxy_is_refused(stacks: str) -> None:
    answer = get(stacks, "/proxy/xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.pdb")
    assert (answer.status, "symbol servers" in answer.title) == (501, True)
    assert ask(stacks, "HEAD", "/proxy/xul.pdb", None).status == 501


def test_its_health_check_is_answered(stacks: str) -> None:
    assert get(stacks, "/healthcheck").body == b"ok"
