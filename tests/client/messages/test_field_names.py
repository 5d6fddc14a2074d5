"""Errors name fields by their place in the report, not in the call."""

from collections.abc import Iterable

import pytest

from symbolon import FieldViolation, Frame, InvalidRequestError, Module, Report
from symbolon._batching.batches import Divided, Joint, name_fields
from symbolon._batching.joint_calls import CallSize
from symbolon._batching.packers import PlainPacker, pack
from symbolon._tecken.jobs import name_job
from symbolon.v1 import module_pb2, stack_pb2

A, B, C = (Module(name, "AB0") for name in "abc")
FRAMES = 37


def refusal(*fields: str) -> InvalidRequestError:
    violations = tuple(FieldViolation(field, "is wrong") for field in fields)
    return InvalidRequestError(f"{fields[0]}: is wrong (and 1 more)", violations)


def ask(report: Report, size: CallSize) -> Joint[Report] | Divided[Report]:
    (batch,) = pack([report], PlainPacker(size=size))
    assert isinstance(batch, Joint | Divided)
    return batch


def rename(
    batch: Joint[Report] | Divided[Report], request: int, fields: Iterable[str]
) -> list[str]:
    error = name_fields(batch, request, refusal(*fields))
    assert isinstance(error, InvalidRequestError)
    assert str(error) == f"{error.violations[0].field}: is wrong (and 1 more)"
    return [violation.field for violation in error.violations]


def test_a_module_listed_twice_is_named_by_its_first_place() -> None:
    batch = ask(Report([A, A, B, A, C], [[Frame(4, 1)]]), CallSize())
    names = rename(batch, 0, ["modules[0].debug_id", "modules[1].debug_file", "modules[2]"])
    assert names == ["modules[0].debug_id", "modules[2].debug_file", "modules[4]"]


@pytest.mark.parametrize(
    "size", [CallSize(frames=5), CallSize(frames=16, modules=2), CallSize(frames=1_000, modules=3)]
)
def test_errors_of_a_divided_report_name_places_in_the_report(
    size: CallSize,
) -> None:
    modules = [A, A, B, C]
    stacks = [[], [Frame(n % 4, n) for n in range(FRAMES)], [Frame(None, 7)], [Frame(2, 9)] * 3]
    batch = ask(Report(modules, stacks), size)
    assert len(batch.requests) > 1
    seen = set()
    for number, request in enumerate(batch.requests):
        for index, data in enumerate(request.modules):
            (field,) = rename(batch, number, [f"modules[{index}].debug_file"])
            place = int(field.removeprefix("modules[").removesuffix("].debug_file"))
            assert modules[place].debug_file == module_pb2.Module.FromString(data).debug_file
        for position, stack in enumerate(request.stacks):
            (stack_field,) = rename(batch, number, [f"stacks[{position}]"])
            for index, data in enumerate(stack.frames):
                (field,) = rename(batch, number, [f"stacks[{position}].frames[{index}].x"])
                offset = stack_pb2.Frame.FromString(data).module_offset
                assert field.startswith(stack_field)
                seen.add((field, offset))
    assert seen == {
        (f"stacks[{place}].frames[{index}].x", frame.module_offset)
        for place, stack in enumerate(stacks)
        for index, frame in enumerate(stack)
    }


def test_other_fields_keep_their_names() -> None:
    batch = ask(Report([A], [[Frame(0, n) for n in range(20)]]), CallSize(frames=10))
    fields = ["stacks.frames", "max_wait", "modules[9].debug_id", "stacks[99].frames[0]", ""]
    assert rename(batch, 0, fields) == fields


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (
            "modules[3].debug_file",
            "has invalid modules: module index 3 has an invalid debug_filename",
        ),
        ("modules[3].debug_id", "has invalid modules: module index 3 has an invalid debug_id"),
        (
            "stacks[1].frames[2].module_index",
            "has invalid stacks: stack 1 frame 2 has a module_index that isn't in modules",
        ),
        ("stacks[1].frames[2]", "has invalid stacks: stack 1 frame 2"),
    ],
)
def test_a_refusal_names_its_job_in_the_words_of_eliot(field: str, text: str) -> None:
    error = refusal(field)
    error.request_id = "crash-17"
    named = name_job(error, 5)
    assert str(named) == f"job 5 {text}: is wrong"
    assert isinstance(named, InvalidRequestError)
    assert (named.violations, named.request_id) == (error.violations, "crash-17")


def test_other_refusals_name_their_job() -> None:
    assert str(name_job(refusal("stacks"), 5)) == "job 5: stacks: is wrong (and 1 more)"
