from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from symbolon.v1.module_pb2 import Module
from symbolon.v1.module_service_pb2 import GetModuleRequest
from symbolon.v1.stack_pb2 import Frame, Stack
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest
from symbolon_server.rpc.calls.status import FieldViolation, InvalidRequestError
from symbolon_server.rpc.operators.methods import find_one_module_violations
from symbolon_server.rpc.symbolicate.request import MAX_VIOLATIONS, find_broken_rules
from symbolon_server.rpc.symbolicate.service import (
    RequestLimits,
    check_request,
    decode_stacks,
    read_request,
)

LIMITS = RequestLimits(max_modules=3, max_frames=10)
DEBUG_ID = "44E4EC8C2F41492B9369D6B9A059577C2"


def module(debug_file: str = "xul.pdb", debug_id: str = DEBUG_ID) -> Module:
    return Module(debug_file=debug_file, debug_id=debug_id)


def find_violations(
    request: SymbolicateRequest, limits: RequestLimits = LIMITS
) -> Sequence[FieldViolation]:
    """Return the violations that a caller sees: exceeded limits, or else all broken rules."""
    try:
        raw = read_request(request.SerializeToString(), limits)
        check_request(raw, sum(map(len, decode_stacks(raw.stacks))), limits)
    except InvalidRequestError as error:
        return error.violations
    return find_broken_rules(raw)


def fields_of(request: SymbolicateRequest) -> list[str]:
    return [violation.field for violation in find_violations(request)]


VALID = {
    "nothing asked": SymbolicateRequest(),
    "empty stacks and frames": SymbolicateRequest(
        modules=[module()], stacks=[Stack(), Stack(frames=[Frame()])]
    ),
    "empty ids": SymbolicateRequest(
        modules=[module("", ""), module("", DEBUG_ID), module("a", "")]
    ),
    "lower case": SymbolicateRequest(modules=[module(debug_id=DEBUG_ID.lower())]),
    "longest names": SymbolicateRequest(modules=[module("x" * 255), module("é" * 127)]),
    "odd names": SymbolicateRequest(modules=[module("a b%2e%2e")]),
    "shortest and longest ids": SymbolicateRequest(
        modules=[module(debug_id="F" * 33), module(debug_id="0" * 40)]
    ),
    "hex that is too short or too long to be an id": SymbolicateRequest(
        modules=[module(debug_id="0" * 31), module(debug_id="0" * 41)]
    ),
    "a GUID": SymbolicateRequest(
        modules=[module(debug_id="{44E4EC8C-2F41-492B-9369-D6B9A059577C}-2")]
    ),
    "a code file and code id of which nothing can be used": SymbolicateRequest(
        modules=[Module(code_file="..\n", code_id="no hex"), Module(code_file="x" * 1000)]
    ),
    "as much as the limits allow": SymbolicateRequest(
        modules=[module()] * 3,
        stacks=[Stack(frames=[Frame(module_index=2, module_offset=2**64 - 1)] * 10)],
    ),
    "no wait": SymbolicateRequest(max_wait=Duration()),
    "longest wait": SymbolicateRequest(
        max_wait=Duration(seconds=315_576_000_000, nanos=999_999_999)
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_request_breaks_no_rule(name: str) -> None:
    assert list(find_violations(VALID[name])) == []


@pytest.mark.parametrize(
    "debug_file",
    ["a/b", "a\\b", "..", ".", "a\0b", "a\nb", "\x7f", "\x85", "\u2028", "x" * 256, "é" * 128],
)
def test_a_debug_file_that_is_not_a_file_name_is_refused(debug_file: str) -> None:
    request = SymbolicateRequest(modules=[module(), module(debug_file)])
    assert fields_of(request) == ["modules[1].debug_file"]


@pytest.mark.parametrize(
    "debug_id",
    [
        "G" * 33,
        "+" + "0" * 32,
        "0x" + "0" * 32,
        " " + "0" * 33,
        "0_" * 17,
        "٣" * 33,
    ],
)
def test_a_debug_id_that_is_not_hex_is_refused(debug_id: str) -> None:
    request = SymbolicateRequest(modules=[module(debug_id=debug_id)])
    assert fields_of(request) == ["modules[0].debug_id"]


def test_an_error_about_a_debug_id_says_what_is_allowed() -> None:
    (violation,) = find_violations(SymbolicateRequest(modules=[module(debug_id="{1}")]))
    assert "32 hex digits and the age" in violation.description
    assert "dashes and braces" in violation.description


def test_beside_an_empty_part_the_other_part_must_be_valid() -> None:
    request = SymbolicateRequest(modules=[module("", "no hex"), module("a/b", "")])
    assert fields_of(request) == ["modules[0].debug_id", "modules[1].debug_file"]


def test_a_module_index_outside_the_list_is_refused() -> None:
    frames = [Frame(), Frame(module_index=0), Frame(module_index=1), Frame(module_index=2**32 - 1)]
    request = SymbolicateRequest(modules=[module()], stacks=[Stack(), Stack(frames=frames)])
    assert fields_of(request) == [
        "stacks[1].frames[2].module_index",
        "stacks[1].frames[3].module_index",
    ]


def test_without_modules_only_frames_without_a_module_are_valid() -> None:
    stacks = [Stack(frames=[Frame(module_offset=1), Frame(module_index=0)])]
    assert fields_of(SymbolicateRequest(stacks=stacks)) == ["stacks[0].frames[1].module_index"]


@pytest.mark.parametrize(
    ("request_", "field", "numbers"),
    [
        (SymbolicateRequest(modules=[module("a/b")] * 4), "modules", ("4", "3")),
        (SymbolicateRequest(stacks=[Stack()] * 11), "stacks", ("11", "10")),
        (
            SymbolicateRequest(stacks=[Stack(frames=[Frame()] * 6), Stack(frames=[Frame()] * 5)]),
            "stacks.frames",
            ("11", "10"),
        ),
    ],
    ids=["modules", "stacks", "frames"],
)
def test_an_exceeded_limit_is_named_with_the_value(
    request_: SymbolicateRequest, field: str, numbers: tuple[str, str]
) -> None:
    (violation,) = find_violations(request_)
    assert violation.field == field
    assert all(number in violation.description for number in numbers)


@pytest.mark.parametrize(
    "max_wait",
    [
        {"seconds": -1},
        {"nanos": -1},
        {"seconds": 1, "nanos": -1},
        {"nanos": 1_000_000_000},
        {"seconds": 315_576_000_001},
    ],
)
def test_a_max_wait_that_is_negative_or_invalid_is_refused(max_wait: dict[str, Any]) -> None:
    assert fields_of(SymbolicateRequest(max_wait=Duration(**max_wait))) == ["max_wait"]


def test_the_number_of_violations_is_limited() -> None:
    limits = RequestLimits(max_modules=1, max_frames=1_000)
    request = SymbolicateRequest(stacks=[Stack(frames=[Frame(module_index=1)] * 1_000)])
    assert len(find_violations(request, limits)) == MAX_VIOLATIONS


def test_no_description_repeats_what_the_caller_sent() -> None:
    secret = "passw\x1b[31mord/"
    request = SymbolicateRequest(modules=[module(secret, DEBUG_ID), module("a", secret)])
    violations = find_violations(request)
    assert len(violations) == 2
    assert not any("passw" in violation.description for violation in violations)


def test_get_module_needs_a_module() -> None:
    (violation,) = find_one_module_violations(GetModuleRequest())
    assert violation.field == "module"


def test_get_module_checks_the_module() -> None:
    (violation,) = find_one_module_violations(GetModuleRequest(module=module("a/b")))
    assert violation.field == "module.debug_file"
    assert find_one_module_violations(GetModuleRequest(module=module())) == ()


def test_violations_of_modules_and_frames_are_reported_together() -> None:
    frames = [Frame(module_index=1)]
    request = SymbolicateRequest(modules=[module("a/b")], stacks=[Stack(frames=frames)])
    assert fields_of(request) == ["modules[0].debug_file", "stacks[0].frames[0].module_index"]


def test_bytes_that_are_not_a_frame_are_refused() -> None:
    stack = b"\x0a\x02\x08\x00" + b"\x0a\x01\x0f"  # a frame, then a field number 1 of type 7
    encoded = read_request(b"\x12" + bytes([len(stack)]) + stack, LIMITS)
    (violation, *_) = find_broken_rules(encoded)
    assert violation.field == "stacks[0].frames[0].module_index"
    assert find_broken_rules(encoded)[1].field == "stacks[0].frames[1]"


def test_bytes_that_are_not_a_stack_are_refused() -> None:
    encoded = read_request(b"\x12\x00\x12\x01\x0f", LIMITS)  # an empty stack, then one of type 7
    (violation,) = find_broken_rules(encoded)
    assert (violation.field, violation.description) == ("stacks[1]", "cannot be decoded")
