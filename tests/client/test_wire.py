"""Between plain values and messages."""

from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon import (
    Frame,
    FrameOutcome,
    InlineFrame,
    InvalidRequestError,
    Module,
    ModuleOutcome,
    SymbolicatedFrame,
    Tier,
    wire,
)
from symbolon.v1 import (
    diagnostics_pb2,
    module_pb2,
    module_service_pb2,
    stack_pb2,
    store_service_pb2,
    symbolication_service_pb2,
    tier_pb2,
)


def test_a_request_keeps_every_field_and_every_order() -> None:
    request = wire.encode_request(
        [Module("a.pdb", "AB1"), Module("b.so", "cd0", "b", "ffee")],
        [[Frame(1, 16), Frame(0, 2**64 - 1, is_return_address=True)], [], [Frame(None, 7)]],
        max_wait_seconds=1.5,
        with_diagnostics=True,
    )
    assert request == symbolication_service_pb2.SymbolicateRequest(
        modules=[
            module_pb2.Module(debug_file="a.pdb", debug_id="AB1"),
            module_pb2.Module(debug_file="b.so", debug_id="cd0", code_file="b", code_id="ffee"),
        ],
        stacks=[
            stack_pb2.Stack(
                frames=[
                    stack_pb2.Frame(module_index=1, module_offset=16),
                    stack_pb2.Frame(
                        module_index=0, module_offset=2**64 - 1, is_return_address=True
                    ),
                ]
            ),
            stack_pb2.Stack(),
            stack_pb2.Stack(frames=[stack_pb2.Frame(module_offset=7)]),
        ],
        max_wait=Duration(seconds=1, nanos=500_000_000),
        with_diagnostics=True,
    )


def test_a_frame_in_the_first_module_is_not_a_frame_in_no_module() -> None:
    request = wire.encode_request([Module("a", "")], [[Frame(0, 0), Frame(None, 0)]])
    first, second = request.stacks[0].frames
    assert first.HasField("module_index")
    assert not second.HasField("module_index")


def test_no_wait_and_a_wait_that_is_left_to_the_server_are_different() -> None:
    assert wire.encode_request([], [], max_wait_seconds=0).HasField("max_wait")
    assert not wire.encode_request([], []).HasField("max_wait")


@pytest.mark.parametrize("frame", [Frame(-1, 0), Frame(0, -1), Frame(0, 2**64), Frame(2**32, 0)])
def test_a_number_that_no_message_holds_is_refused_with_its_field(frame: Frame) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        wire.encode_request([Module("a", "")], [[], [Frame(0, 1), frame]])
    [violation] = caught.value.violations
    assert violation.field == "stacks[1].frames[1]"


def test_a_name_that_is_not_unicode_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidRequestError, match=r"^modules\[0\]: "):
        wire.encode_request([Module("\ud800", "")], [])


@pytest.mark.parametrize("wait", [float("nan"), float("inf"), 1e30])
def test_a_wait_that_is_no_duration_is_refused(wait: float) -> None:
    with pytest.raises(InvalidRequestError, match=r"^max_wait: "):
        wire.encode_request([], [], max_wait_seconds=wait)


def test_an_answer_keeps_every_field_and_every_order() -> None:
    response = symbolication_service_pb2.SymbolicateResponse(
        stacks=[
            stack_pb2.SymbolicatedStack(
                frames=[
                    stack_pb2.SymbolicatedFrame(
                        module="xul.dll",
                        module_offset=20,
                        function="outer()",
                        function_offset=4,
                        file="a.cpp",
                        line=3,
                        inlines=[
                            stack_pb2.InlineFrame(function="inner()", file="a.h", line=1),
                            stack_pb2.InlineFrame(function="middle()"),
                        ],
                        outcome=stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
                        is_multiple=True,
                    ),
                ]
            ),
            stack_pb2.SymbolicatedStack(),
        ],
        modules=[
            module_pb2.ModuleResult(
                outcome=module_pb2.MODULE_OUTCOME_UNAVAILABLE,
                detail="503",
                retry_after=Duration(seconds=5),
                skipped_records=2,
            )
        ],
    )
    answer = wire.decode_response(response)
    assert answer.stacks == (
        (
            SymbolicatedFrame(
                module="xul.dll",
                module_offset=20,
                outcome=FrameOutcome.SYMBOLICATED,
                function="outer()",
                function_offset=4,
                file="a.cpp",
                line=3,
                inlines=(InlineFrame("inner()", "a.h", 1), InlineFrame("middle()", None, None)),
                is_multiple=True,
            ),
        ),
        (),
    )
    [module] = answer.modules
    assert module.outcome is ModuleOutcome.UNAVAILABLE
    assert (module.detail, module.retry_after_seconds, module.skipped_records) == ("503", 5.0, 2)
    assert answer.diagnostics is None


def test_what_is_not_known_of_a_frame_is_none() -> None:
    frame = stack_pb2.SymbolicatedFrame(outcome=stack_pb2.FRAME_OUTCOME_NO_SYMBOL)
    stack = stack_pb2.SymbolicatedStack(frames=[frame])
    answer = wire.decode_response(symbolication_service_pb2.SymbolicateResponse(stacks=[stack]))
    [[decoded]] = answer.stacks
    assert (decoded.function, decoded.function_offset) == (None, None)
    assert (decoded.file, decoded.line) == (None, None)


def test_an_outcome_of_a_newer_server_is_unspecified() -> None:
    response = symbolication_service_pb2.SymbolicateResponse.FromString(
        symbolication_service_pb2.SymbolicateResponse(
            modules=[module_pb2.ModuleResult(outcome=77)]  # type: ignore[arg-type]  # on purpose
        ).SerializeToString()
    )
    assert wire.decode_response(response).modules[0].outcome is ModuleOutcome.UNSPECIFIED


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (ModuleOutcome, module_pb2.ModuleOutcome, "MODULE_OUTCOME_"),
        (FrameOutcome, stack_pb2.FrameOutcome, "FRAME_OUTCOME_"),
        (Tier, tier_pb2.Tier, "TIER_"),
    ],
)
def test_the_enums_are_those_of_the_api(ours: type, theirs: object, prefix: str) -> None:
    named = {f"{prefix}{member.name}": member.value for member in ours}  # type: ignore[attr-defined]  # an Enum
    assert named == dict(theirs.items())  # type: ignore[attr-defined]  # an enum of protobuf


def test_diagnostics_come_out_in_seconds() -> None:
    half = Duration(nanos=500_000_000)
    response = symbolication_service_pb2.SymbolicateResponse(
        diagnostics=diagnostics_pb2.Diagnostics(
            duration=Duration(seconds=2),
            waited=half,
            is_wait_refused=True,
            frames=9,
            distinct_frames=7,
            tiers=[diagnostics_pb2.TierLookups(tier=tier_pb2.TIER_STORE, lookups=3, hits=2)],
            ingests=1,
            warnings=["store down"],
            modules=[diagnostics_pb2.ModuleDiagnostics(frames=9, pages=3, waited=half)],
        )
    )
    diagnostics = wire.decode_response(response).diagnostics
    assert diagnostics is not None
    assert (diagnostics.seconds, diagnostics.waited_seconds) == (2.0, 0.5)
    assert diagnostics.is_wait_refused
    assert diagnostics.tiers[0].tier is Tier.STORE
    assert diagnostics.tiers[0].seconds is None
    assert diagnostics.modules[0].waited_seconds == 0.5
    assert diagnostics.warnings == ("store down",)


def test_a_held_module_keeps_where_it_came_from() -> None:
    response = module_service_pb2.GetModuleResponse(
        outcome=module_pb2.MODULE_OUTCOME_FOUND,
        held=module_service_pb2.HeldModule(
            module=module_pb2.Module(debug_file="xul.pdb", debug_id="AB1", code_file="xul.dll"),
            supplier="symbols.example",
            skipped_records={"FUNC": 2},
            ingested_at=Timestamp(seconds=1_800_000_000),
            ingest_duration=Duration(seconds=3),
        ),
    )
    info = wire.decode_module_info(response)
    assert info.outcome is ModuleOutcome.FOUND
    assert info.retry_after_seconds is None
    assert info.held is not None
    assert info.held.module == Module("xul.pdb", "AB1", "xul.dll")
    assert info.held.ingested_at == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert info.held.ingest_seconds == 3.0
    assert info.held.skipped_records == {"FUNC": 2}


def test_a_module_that_is_not_held_has_no_pages() -> None:
    info = wire.decode_module_info(module_service_pb2.GetModuleResponse())
    assert info.held is None


def test_store_info_keeps_both_servers_apart() -> None:
    info = wire.decode_store_info(
        store_service_pb2.GetStoreInfoResponse(
            store=store_service_pb2.RedisInfo(is_reachable=True, keys=5),
            cache=store_service_pb2.RedisInfo(detail="refused", uptime=Duration(seconds=9)),
            tiers=[store_service_pb2.TierInfo(tier=tier_pb2.TIER_SPOOL, hit_ratio=0.25)],
        )
    )
    assert (info.store.is_reachable, info.store.keys) == (True, 5)
    assert (info.cache.detail, info.cache.uptime_seconds) == ("refused", 9.0)
    assert [(tier.tier, tier.hit_ratio) for tier in info.tiers] == [(Tier.SPOOL, 0.25)]
