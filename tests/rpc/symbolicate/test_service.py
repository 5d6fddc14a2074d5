from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import (  # type: ignore[import-untyped] # the package has no py.typed
    error_details_pb2,
    status_pb2,
)

from symbolon.v1 import module_pb2, stack_pb2, tier_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.rpc.calls.addresses import ListenAddress
from symbolon_server.rpc.calls.status import DETAILS_KEY
from symbolon_server.rpc.serving.server import RpcServer, ServerOptions
from symbolon_server.rpc.symbolicate.request import decode_frame
from symbolon_server.rpc.symbolicate.service import (
    SERVICE,
    Answerer,
    RequestLimits,
    SymbolicationService,
    WaitLimits,
)
from symbolon_server.rpc.symbolicate.streams import Streams
from symbolon_server.rpc.symbolicate.waiting_room import WaitingRoom
from symbolon_server.symbolication.looking_up.lookup import MayWait
from symbolon_server.symbolication.memory.queries import (
    ANYBODY,
    NO_MODULE,
    Caller,
    Diagnostics,
    EncodedStacks,
    FrameOutcome,
    FrameQuery,
    InvalidFrameError,
    ModuleCounts,
    ModuleOutcome,
    ModuleQuery,
    ModuleResult,
    Symbolication,
    TierName,
)
from symbolon_server.symbolication.symbolicator import RequestFrames, Symbolicator
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.paging import api_frames
from tests.rpc.drive import Ended, call
from tests.rpc.scripted import count_of

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["SymbolicationService"]
DEBUG_ID = "44E4EC8C2F41492B9369D6B9A059577C2"
XUL = module_pb2.Module(debug_file="xul.pdb", debug_id=DEBUG_ID.lower())

FRAME = api_frames.frame(
    api_frames.module_field(b"xul.dll"),
    0x10,
    FrameOutcome.SYMBOLICATED,
    api_frames.answer_fields(b"main", b"main.c", 7, [], is_multiple=False, function_size=16),
    4,
)


@dataclass
class Canned(Symbolicator):
    """Returns the same answer to every request, and records the requests."""

    answer: Symbolication
    modules: Sequence[ModuleQuery] = ()
    stacks: Sequence[Sequence[bytes]] = ()
    wait_seconds: list[float] = field(default_factory=list)

    def symbolicate(
        self,
        modules: Sequence[ModuleQuery],
        frames: RequestFrames,
        wait_seconds: float,
        may_wait: MayWait,
        *,
        with_diagnostics: bool = False,
        caller: Caller = ANYBODY,
    ) -> Symbolication:
        del may_wait, with_diagnostics
        for frame in (frame for stack in frames.stacks for frame in stack):
            if decode_frame(frame).module_index >= len(modules):
                raise InvalidFrameError("out of range")
        self.modules, self.stacks = modules, frames.stacks
        self.wait_seconds.append(wait_seconds)
        return self.answer


def answer_of(
    stacks: Sequence[bytes] = (),
    results: Sequence[ModuleResult] = (),
    diagnostics: Diagnostics | None = None,
) -> Symbolication:
    fields = [api_frames.stack_start(len(stack)) + stack for stack in stacks]
    encoded = EncodedStacks(sum(map(len, stacks)), fields)
    by_index = dict(enumerate(results))
    return Symbolication(encoded, by_index, len(results), diagnostics or Diagnostics())


def canned(answer: Symbolication | None = None) -> Canned:
    return Canned(answer or answer_of())


def service_of(symbolicator: Canned) -> SymbolicationService:
    answerer = Answerer(
        symbolicator,
        RequestLimits(max_modules=5, max_frames=10),
        WaitLimits(max_wait_seconds=60.0, deadline_margin_seconds=0.5),
    )
    return SymbolicationService(answerer, WaitingRoom(1), Streams(answerer, 1, 1).handler())


def symbolicate(
    symbolicator: Canned, request: pb.SymbolicateRequest, timeout: float | None = None
) -> Ended:
    encoded = request.SerializeToString()
    return call(DESCRIPTOR, service_of(symbolicator), "Symbolicate", encoded, timeout)


def answer_to(symbolicator: Canned, request: pb.SymbolicateRequest) -> pb.SymbolicateResponse:
    ended = symbolicate(symbolicator, request)
    assert ended.code is grpc.StatusCode.OK
    return pb.SymbolicateResponse.FromString(ended.response)


def test_a_request_arrives_with_its_frames_still_encoded() -> None:
    symbolicator = canned()
    stack = stack_pb2.Stack(
        frames=[
            stack_pb2.Frame(module_index=0, module_offset=2**64 - 1, is_return_address=True),
            stack_pb2.Frame(module_offset=5),
        ]
    )
    modules = [XUL, module_pb2.Module(debug_file="b", debug_id="")]
    answer_to(symbolicator, pb.SymbolicateRequest(modules=modules, stacks=[stack]))
    assert symbolicator.modules == [
        ModuleQuery("xul.pdb", ModuleId("xul.pdb", DEBUG_ID)),
        ModuleQuery("b", None),
    ]
    assert [[decode_frame(frame) for frame in stack] for stack in symbolicator.stacks] == [
        [FrameQuery(0, 2**64 - 1, True), FrameQuery(NO_MODULE, 5, False)]
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            module_pb2.Module(
                debug_file="xul.pdb",
                debug_id=DEBUG_ID,
                code_file="C:\\Firefox\\xul.dll",
                code_id="6A4B9A365000",
            ),
            ModuleQuery("xul.pdb", ModuleId("xul.pdb", DEBUG_ID), "xul.dll", "6A4B9A365000"),
        ),
        (
            module_pb2.Module(debug_id=DEBUG_ID[:32].lower(), code_file="/usr/bin/orchard"),
            ModuleQuery(
                "orchard", ModuleId("orchard", DEBUG_ID[:32] + "0"), "orchard", lacks_age=True
            ),
        ),
        (
            module_pb2.Module(debug_file="a", debug_id=DEBUG_ID, code_file="b/", code_id="?"),
            ModuleQuery("a", ModuleId("a", DEBUG_ID)),
        ),
        (
            module_pb2.Module(code_file="plugin.dll", code_id="5F"),
            ModuleQuery("plugin.dll", None, "plugin.dll", "5F"),
        ),
        (
            module_pb2.Module(code_file="/usr/lib/liba.so", code_id="00112233445566778899" * 2),
            ModuleQuery(
                "liba.so",
                ModuleId("liba.so", "33221100554477668899001122334455" + "0"),
                "liba.so",
                "00112233445566778899" * 2,
            ),
        ),
        (module_pb2.Module(debug_id=DEBUG_ID, code_file="a\nb"), ModuleQuery("", None)),
        (
            module_pb2.Module(code_file="plugin.dll", debug_id="0" * 33, code_id="5EBA81A442000"),
            ModuleQuery(
                "plugin.dll",
                ModuleId("plugin.dll", "00000000000000000005EBA81A442000" + "0"),
                "plugin.dll",
                "5EBA81A442000",
            ),
        ),
        (
            module_pb2.Module(debug_file="a.so", debug_id="{" + str(UUID(int=0)) + "}"),
            ModuleQuery("a.so", ModuleId("a.so", "0" * 33), lacks_age=True),
        ),
    ],
)
def test_a_module_has_the_usable_parts_of_code_file_and_code_id(
    asked: module_pb2.Module, expected: ModuleQuery
) -> None:
    symbolicator = canned()
    answer_to(symbolicator, pb.SymbolicateRequest(modules=[asked]))
    assert symbolicator.modules == [expected]


def test_stacks_are_returned_in_order_including_empty_ones() -> None:
    answer = answer_of([FRAME + FRAME, b"", FRAME])
    response = answer_to(canned(answer), pb.SymbolicateRequest())
    assert [len(stack.frames) for stack in response.stacks] == [2, 0, 1]
    assert response.stacks[2].frames[0] == stack_pb2.SymbolicatedFrame(
        module="xul.dll",
        module_offset=0x10,
        function="main",
        function_offset=4,
        file="main.c",
        line=7,
        outcome=stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
        function_size=16,
    )
    assert not response.HasField("diagnostics")


def test_each_module_has_its_outcome_and_when_to_retry() -> None:
    results = [
        ModuleResult(ModuleOutcome.FOUND, skipped_records=3),
        ModuleResult(ModuleOutcome.UNAVAILABLE, "supplier is down", 2.5),
        ModuleResult(ModuleOutcome.NOT_REFERENCED),
    ]
    response = answer_to(canned(answer_of(results=results)), pb.SymbolicateRequest())
    found, unavailable, not_referenced = response.modules
    assert found.outcome == module_pb2.MODULE_OUTCOME_FOUND
    assert found.skipped_records == 3
    assert not found.HasField("retry_after")
    assert unavailable.outcome == module_pb2.MODULE_OUTCOME_UNAVAILABLE
    assert unavailable.detail == "supplier is down"
    assert unavailable.retry_after.ToMilliseconds() == 2500
    assert not_referenced.outcome == module_pb2.MODULE_OUTCOME_NOT_REFERENCED


@pytest.mark.parametrize("ours", [ModuleOutcome, FrameOutcome, TierName])
def test_the_numbers_below_are_those_of_the_api(ours: type[ModuleOutcome]) -> None:
    api = {
        ModuleOutcome: (module_pb2.ModuleOutcome, "MODULE_OUTCOME_"),
        FrameOutcome: (stack_pb2.FrameOutcome, "FRAME_OUTCOME_"),
        TierName: (tier_pb2.Tier, "TIER_"),
    }
    theirs, prefix = api[ours]
    named = {prefix + member.name: member.value for member in ours}
    assert named | {prefix + "UNSPECIFIED": 0} == dict(theirs.items())


def test_diagnostics_are_returned_on_request() -> None:
    diagnostics = Diagnostics(
        frames=9,
        seconds=0.5,
        waited_seconds=0.25,
        is_wait_refused=True,
        ingests=2,
        warnings=["slow"],
        modules=[ModuleCounts(3, 2, 1, "1-00", True, 0.25), ModuleCounts()],
    )
    store = diagnostics.tier(TierName.STORE)
    store.lookups, store.hits, store.stored_bytes, store.seconds = 5, 4, 1000, 0.125
    diagnostics.tier(TierName.FRAMES).lookups = 8
    answer = answer_of(diagnostics=diagnostics)
    response = answer_to(canned(answer), pb.SymbolicateRequest(with_diagnostics=True))
    told = response.diagnostics
    assert (told.frames, told.distinct_frames, told.ingests) == (9, 2, 2)
    assert (told.duration.ToMilliseconds(), told.waited.ToMilliseconds()) == (500, 250)
    assert told.is_wait_refused
    assert list(told.warnings) == ["slow"]
    frames, asked = told.tiers
    assert (frames.tier, frames.lookups) == (tier_pb2.TIER_FRAMES, 8)
    assert not frames.HasField("duration")
    assert (asked.tier, asked.lookups, asked.hits) == (tier_pb2.TIER_STORE, 5, 4)
    assert (asked.bytes, asked.duration.ToMilliseconds()) == (1000, 125)
    module, other = told.modules
    assert (module.frames, module.distinct_frames, module.pages) == (3, 2, 1)
    assert (module.generation, module.is_ingest_requested) == ("1-00", True)
    assert module.waited.ToMilliseconds() == 250
    assert not other.HasField("waited")


@pytest.mark.parametrize(
    ("max_wait", "timeout", "expected"),
    [
        (None, None, 60.0),
        (None, 1e9, 60.0),
        (None, 10.0, 9.4),
        (None, 0.25, 0.0),
        (Duration(), None, 0.0),
        (Duration(), 10.0, 0.0),
        (Duration(seconds=2, nanos=500_000_000), 10.0, 2.5),
        (Duration(seconds=20), 10.0, 9.4),
        (Duration(seconds=315_576_000_000), None, 60.0),
    ],
)
def test_a_call_waits_no_longer_than_max_wait_its_deadline_and_the_limit(
    max_wait: Duration | None, timeout: float | None, expected: float
) -> None:
    symbolicator = canned()
    symbolicate(symbolicator, pb.SymbolicateRequest(max_wait=max_wait), timeout)
    assert symbolicator.wait_seconds == [pytest.approx(expected)]


def test_a_request_that_breaks_rules_is_refused_before_symbolication() -> None:
    symbolicator = canned()
    modules = [
        module_pb2.Module(debug_file="a/b", debug_id=DEBUG_ID),
        module_pb2.Module(debug_file="a", debug_id="no hex"),
    ]
    ended = symbolicate(symbolicator, pb.SymbolicateRequest(modules=modules))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details.startswith("modules[0].debug_file: ")
    assert ended.details.endswith("(and 1 more)")
    assert symbolicator.wait_seconds == []


def test_an_exceeded_limit_is_in_the_message_with_its_value() -> None:
    ended = symbolicate(canned(), pb.SymbolicateRequest(modules=[XUL] * 6))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details == "modules: has 6 or more entries, the limit is 5"


def test_an_answer_is_counted_by_frames_outcomes_and_tiers() -> None:
    def counts() -> list[float]:
        return [
            count_of("symbolon_frames_total", outcome="remembered"),
            count_of("symbolon_frames_total", outcome="module_missing"),
            count_of("symbolon_call_wait_seconds_sum"),
            count_of("symbolon_modules_total", outcome="missing"),
            count_of("symbolon_lookups_total", tier="store", result="hit"),
            count_of("symbolon_lookups_total", tier="store", result="miss"),
        ]

    outcomes = {int(FrameOutcome.MODULE_MISSING): 3}
    diagnostics = Diagnostics(frames=9, outcomes=outcomes, waited_seconds=0.5)
    store = diagnostics.tier(TierName.STORE)
    store.lookups, store.hits = 5, 4
    results = [ModuleResult(ModuleOutcome.MISSING)] * 2
    before = counts()
    answer_to(canned(answer_of(results=results, diagnostics=diagnostics)), pb.SymbolicateRequest())
    grown = [after - then for after, then in zip(counts(), before, strict=True)]
    assert grown == pytest.approx([6, 3, 0.5, 2, 4, 1])


def test_a_call_that_waited_for_nothing_is_not_among_those_that_waited() -> None:
    before = count_of("symbolon_call_wait_seconds_count")
    answer_to(canned(), pb.SymbolicateRequest())
    assert count_of("symbolon_call_wait_seconds_count") == before


@contextmanager
def served(symbolicator: Canned) -> Iterator[SymbolicationServiceStub]:
    server = RpcServer(
        ServerOptions(ListenAddress("127.0.0.1", 0), 2, 8, 1024**2),
        [service_of(symbolicator).add_to],
    )
    address = server.bind()
    server.start()
    try:
        with grpc.insecure_channel(str(address)) as channel:
            yield SymbolicationServiceStub(channel)
    finally:
        server.stop(0.0)


def test_over_the_network_every_method_of_the_service_is_answered() -> None:
    with served(canned(answer_of([FRAME]))) as stub:
        response = stub.Symbolicate(pb.SymbolicateRequest(), timeout=30)
        assert response.stacks[0].frames[0].function == "main"
        (answer,) = stub.SymbolicateStream(iter([pb.SymbolicateStreamRequest(id="7")]), timeout=30)
        assert (answer.id, answer.response) == ("7", response)
    assert set(DESCRIPTOR.methods_by_name) == {"Symbolicate", "SymbolicateStream"}
    assert DESCRIPTOR.full_name == SERVICE


def test_over_the_network_without_a_deadline_the_limit_is_the_wait() -> None:
    symbolicator = canned()
    with served(symbolicator) as stub:
        stub.Symbolicate(pb.SymbolicateRequest())
    assert symbolicator.wait_seconds == [60.0]


@pytest.mark.parametrize("timeout", [1.001, 9.999, 10.01, 30.0, 59.95])
def test_over_the_network_the_wait_ends_before_the_deadline_however_it_is_rounded(
    timeout: float,
) -> None:
    symbolicator = canned()
    with served(symbolicator) as stub:
        stub.Symbolicate(pb.SymbolicateRequest(), timeout=timeout)
    (wait,) = symbolicator.wait_seconds
    assert wait <= timeout - 0.5


def test_a_module_index_out_of_range_is_refused_when_nothing_else_is_wrong() -> None:
    frames = [stack_pb2.Frame(), stack_pb2.Frame(module_index=7)]
    ended = symbolicate(canned(), pb.SymbolicateRequest(stacks=[stack_pb2.Stack(frames=frames)]))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details.startswith("stacks[0].frames[1].module_index: is 7")


def test_over_the_network_all_violations_are_in_the_details_of_the_status() -> None:
    frames = [stack_pb2.Frame(module_index=1)]
    request = pb.SymbolicateRequest(
        modules=[module_pb2.Module(debug_file="a/b", debug_id=DEBUG_ID)],
        stacks=[stack_pb2.Stack(frames=frames)],
    )
    with served(canned()) as stub, pytest.raises(grpc.RpcError) as caught:
        stub.Symbolicate(request, timeout=30)
    metadata = {entry.key: entry.value for entry in caught.value.trailing_metadata()}
    status = status_pb2.Status.FromString(metadata[DETAILS_KEY])
    detail = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(detail)
    assert [violation.field for violation in detail.field_violations] == [
        "modules[0].debug_file",
        "stacks[0].frames[0].module_index",
    ]
