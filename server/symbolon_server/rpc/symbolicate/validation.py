"""The rules of requests, as pure functions from a message to the rules it breaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from symbolon.v1 import module_pb2, module_service_pb2
from symbolon_server.rpc.calls.status import FieldViolation
from symbolon_server.rpc.symbolicate.decoding import decode_frame, decode_module_id
from symbolon_server.rpc.symbolicate.field_counts import MOST_OTHERS, count_fields, count_request
from symbolon_server.rpc.symbolicate.raw_request import RawRequest, RawStreamRequest, decode_stack
from symbolon_server.symbolication.memory.queries import NO_MODULE, InvalidFrameError
from symbolon_server.symbols.ground.module_ids import InvalidModuleIdError

MAX_VIOLATIONS = 20
"""How many are told: enough to see the pattern, few enough for the trailing metadata."""

MAX_ID_BYTES = 255
"""Of a request in a stream."""

MAX_RANGES_AROUND = 100
"""That one explanation tells on either side."""

_LEAST_FIELD_BYTES = 2
"""A tag and a length, or a number."""

_MAX_NANOS = 999_999_999
_MAX_DURATION_SECONDS = 315_576_000_000
"""As `google/protobuf/duration.proto` says: about 10,000 years."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How much one request may ask for."""

    max_modules: int
    max_frames: int
    """Of all stacks together; also the most stacks, for empty ones cost something too."""


def find_exceeded_limits(
    modules: int, stacks: int, frames: int, limits: RequestLimits, more: str = ""
) -> tuple[FieldViolation, ...]:
    """Return the limits that a request exceeds, with what is to be said of numbers: `more`."""
    if modules <= limits.max_modules and max(stacks, frames) <= limits.max_frames:
        return ()
    counts = (
        ("modules", modules, limits.max_modules),
        ("stacks", stacks, limits.max_frames),
        ("stacks.frames", frames, limits.max_frames),
    )
    return tuple(
        _exceeded(field, f"{count}{more}", limit) for field, count, limit in counts if count > limit
    )


def find_exceeded_in_bytes(data: bytes, limits: RequestLimits) -> tuple[FieldViolation, ...]:
    """Return the limits that an encoded request exceeds, before anything is built of it.

    Of one that is short enough not to have more frames nothing is said: its modules and stacks
    take little until they are looked at.
    """
    if len(data) <= _LEAST_FIELD_BYTES * limits.max_frames:
        return ()
    counts = count_request(data, limits.max_modules, limits.max_frames)
    if counts.others > MOST_OTHERS:
        return (FieldViolation("request", f"has over {MOST_OTHERS} fields of unknown numbers"),)
    return find_exceeded_limits(counts.modules, counts.stacks, counts.frames, limits, " or more")


def has_more_fields(data: bytes, most: int) -> bool:
    """Tell whether an encoded message has more fields, before anything is built of it."""
    return len(data) > _LEAST_FIELD_BYTES * most and count_fields(data, most) > most


def _exceeded(field: str, count: int | str, limit: int) -> FieldViolation:
    return FieldViolation(field, f"has {count} entries, the limit is {limit}")


def find_broken_rules(request: RawRequest) -> tuple[FieldViolation, ...]:
    """Return the rules that `request` breaks, the first `MAX_VIOLATIONS` of them.

    It decodes every module and frame: to be asked once it is known that one of them is wrong.
    """
    return tuple(islice(_broken_rules(request), MAX_VIOLATIONS))


def find_one_module_violations(
    request: module_service_pb2.GetModuleRequest | module_service_pb2.ExplainFrameRequest,
) -> tuple[FieldViolation, ...]:
    """Return what is wrong with the one module of `request`."""
    if not request.HasField("module"):
        return (FieldViolation("module", "must be set"),)
    return tuple(_module_violations("module", request.module))


def find_explain_violations(
    request: module_service_pb2.ExplainFrameRequest,
) -> tuple[FieldViolation, ...]:
    """Return the rules that `request` breaks."""
    around = find_number_violations("ranges_around", request.ranges_around, MAX_RANGES_AROUND)
    return find_one_module_violations(request) + around


def find_modules_violations(
    modules: Sequence[module_pb2.Module], max_modules: int
) -> tuple[FieldViolation, ...]:
    """Return what is wrong with the field `modules` of a request, the first `MAX_VIOLATIONS`."""
    if len(modules) > max_modules:
        return (_exceeded("modules", len(modules), max_modules),)
    found = (_module_violations(f"modules[{i}]", module) for i, module in enumerate(modules))
    return tuple(islice(chain.from_iterable(found), MAX_VIOLATIONS))


def find_number_violations(field: str, number: int, most: int) -> tuple[FieldViolation, ...]:
    """Return what is wrong with a number that says how much is asked for."""
    if number <= most:
        return ()
    return (FieldViolation(field, f"is {number}, the limit is {most}"),)


def find_id_violations(request: RawStreamRequest) -> tuple[FieldViolation, ...]:
    """Return what is wrong with the id of a stream's request."""
    length = len(request.id.encode())
    if length <= MAX_ID_BYTES:
        return ()
    return (FieldViolation("id", f"has {length} bytes, the limit is {MAX_ID_BYTES}"),)


def _broken_rules(request: RawRequest) -> Iterator[FieldViolation]:
    yield from find_wait_violations(request)
    for index, data in enumerate(request.modules):
        path = f"modules[{index}]"
        try:
            yield from _module_violations(path, module_pb2.Module.FromString(data))
        except DecodeError:
            yield FieldViolation(path, "cannot be decoded")
    for index, stack in enumerate(request.stacks):
        yield from _stack_violations(f"stacks[{index}]", stack, len(request.modules))


def find_wait_violations(request: RawRequest) -> tuple[FieldViolation, ...]:
    """Return what is wrong with the `max_wait` of `request`."""
    if not request.HasField("max_wait"):
        return ()
    return tuple(_duration_violations("max_wait", request.max_wait))


def _duration_violations(path: str, duration: Duration) -> Iterator[FieldViolation]:
    if duration.seconds < 0 or duration.nanos < 0:
        yield FieldViolation(path, "must not be negative")
    elif duration.nanos > _MAX_NANOS or duration.seconds > _MAX_DURATION_SECONDS:
        yield FieldViolation(path, "is not a valid google.protobuf.Duration")


def _module_violations(path: str, module: module_pb2.Module) -> Iterator[FieldViolation]:
    """Yield what is wrong with a module; a part that is empty is valid."""
    try:
        decode_module_id(module)
    except InvalidModuleIdError as error:
        yield FieldViolation(f"{path}.{error.field}", str(error))


def _stack_violations(path: str, stack: bytes, modules: int) -> Iterator[FieldViolation]:
    try:
        frames = decode_stack(stack)
    except DecodeError:
        yield FieldViolation(path, "cannot be decoded")
        return
    for index, data in enumerate(frames):
        try:
            frame = decode_frame(data)
        except InvalidFrameError as error:
            yield FieldViolation(f"{path}.frames[{index}]", str(error))
            continue
        if frame.module_index != NO_MODULE and frame.module_index >= modules:
            yield FieldViolation(
                f"{path}.frames[{index}].module_index",
                f"is {frame.module_index}, but the request has {modules} modules",
            )
