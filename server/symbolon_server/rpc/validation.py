"""The rules of requests, as pure functions from a message to the rules it breaks."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from google.protobuf.duration_pb2 import Duration

from symbolon.v1 import module_pb2, module_service_pb2, stack_pb2, symbolication_service_pb2
from symbolon_server.rpc.status import FieldViolation
from symbolon_server.symbols.module_ids import InvalidModuleIdError, ModuleId

MAX_VIOLATIONS = 20
"""How many are told: enough to see the pattern, few enough for the trailing metadata."""

_MAX_NANOS = 999_999_999
_MAX_DURATION_SECONDS = 315_576_000_000
"""As `google/protobuf/duration.proto` says: about 10,000 years."""

_SOME_DEBUG_FILE = "x"
_SOME_DEBUG_ID = "0" * 33


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """How much one request may ask for."""

    max_modules: int
    max_frames: int
    """Of all stacks together; also the most stacks, for empty ones cost something too."""


def find_symbolicate_violations(
    request: symbolication_service_pb2.SymbolicateRequest, limits: RequestLimits
) -> tuple[FieldViolation, ...]:
    """Return the rules that `request` breaks, the first `MAX_VIOLATIONS` of them."""
    too_much = tuple(_exceeded_limits(request, limits))
    return too_much or tuple(islice(_broken_rules(request), MAX_VIOLATIONS))


def find_get_module_violations(
    request: module_service_pb2.GetModuleRequest,
) -> tuple[FieldViolation, ...]:
    """Return the rules that `request` breaks."""
    if not request.HasField("module"):
        return (FieldViolation("module", "must be set"),)
    return tuple(_module_violations("module", request.module))


def _exceeded_limits(
    request: symbolication_service_pb2.SymbolicateRequest, limits: RequestLimits
) -> Iterator[FieldViolation]:
    frames = sum(len(stack.frames) for stack in request.stacks)
    for field, count, limit in (
        ("modules", len(request.modules), limits.max_modules),
        ("stacks", len(request.stacks), limits.max_frames),
        ("stacks.frames", frames, limits.max_frames),
    ):
        if count > limit:
            yield FieldViolation(field, f"has {count} entries, the limit is {limit}")


def _broken_rules(
    request: symbolication_service_pb2.SymbolicateRequest,
) -> Iterator[FieldViolation]:
    if request.HasField("max_wait"):
        yield from _duration_violations("max_wait", request.max_wait)
    for index, module in enumerate(request.modules):
        yield from _module_violations(f"modules[{index}]", module)
    for index, stack in enumerate(request.stacks):
        yield from _stack_violations(f"stacks[{index}]", stack, len(request.modules))


def _duration_violations(path: str, duration: Duration) -> Iterator[FieldViolation]:
    if duration.seconds < 0 or duration.nanos < 0:
        yield FieldViolation(path, "must not be negative")
    elif duration.nanos > _MAX_NANOS or duration.seconds > _MAX_DURATION_SECONDS:
        yield FieldViolation(path, "is not a valid google.protobuf.Duration")


def _module_violations(path: str, module: module_pb2.Module) -> Iterator[FieldViolation]:
    """Yield what is wrong with a module; an empty part is valid, the other one is checked."""
    try:
        ModuleId.parse(module.debug_file or _SOME_DEBUG_FILE, module.debug_id or _SOME_DEBUG_ID)
    except InvalidModuleIdError as error:
        yield FieldViolation(f"{path}.{error.field}", str(error))


def _stack_violations(path: str, stack: stack_pb2.Stack, modules: int) -> Iterator[FieldViolation]:
    for index, frame in enumerate(stack.frames):
        if frame.module_index >= modules and frame.HasField("module_index"):
            yield FieldViolation(
                f"{path}.frames[{index}].module_index",
                f"is {frame.module_index}, but the request has {modules} modules",
            )
