"""Between plain values and messages."""

from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon import (
    FrameOutcome,
    InlineFrame,
    Module,
    ModuleInfo,
    ModuleOutcome,
    StoreInfo,
    SymbolicatedFrame,
    Symbolication,
    Tier,
)
from symbolon._messages import decoding
from symbolon._messages.answers import EncodedAnswer, decode_answer
from symbolon._messages.raw_messages import read_response
from symbolon.v1 import (
    diagnostics_pb2,
    module_pb2,
    module_service_pb2,
    stack_pb2,
    store_service_pb2,
    symbolication_service_pb2,
    tier_pb2,
)


def decode(response: symbolication_service_pb2.SymbolicateResponse) -> Symbolication:
    """Return the answer decoded from its bytes."""
    raw = read_response(response.SerializeToString())
    return decode_answer(
        EncodedAnswer(
            [stack.frames for stack in raw.stacks],
            raw.modules,
            raw.diagnostics if raw.HasField("diagnostics") else None,
        )
    )


def test_an_answer_keeps_every_field_and_every_order() -> None:
    response = symbolication_service_pb2.SymbolicateResponse(
        stacks=[
            stack_pb2.SymbolicatedStack(
                frames=[
                    stack_pb2.SymbolicatedFrame(
                        module="xul.dll",
                        module_offset=20,
                        function="outer()",
                        linkage_name="_Z5outerv",
                        function_offset=4,
                        file="a.cpp",
                        line=3,
                        inlines=[
                            stack_pb2.InlineFrame(
                                function="inner()", file="a.h", line=1, linkage_name="_Z5innerv"
                            ),
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
    answer = decode(response)
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
                inlines=(
                    InlineFrame("inner()", "a.h", 1, "_Z5innerv"),
                    InlineFrame("middle()", None, None),
                ),
                is_multiple=True,
                linkage_name="_Z5outerv",
            ),
        ),
        (),
    )
    [module] = answer.modules
    assert module.outcome is ModuleOutcome.UNAVAILABLE
    assert (module.detail, module.retry_after_seconds, module.skipped_records) == ("503", 5.0, 2)
    assert answer.diagnostics is None


def test_unset_fields_of_a_frame_are_absent() -> None:
    frame = stack_pb2.SymbolicatedFrame(outcome=stack_pb2.FRAME_OUTCOME_NO_SYMBOL)
    stack = stack_pb2.SymbolicatedStack(frames=[frame])
    answer = decode(symbolication_service_pb2.SymbolicateResponse(stacks=[stack]))
    [[decoded]] = answer.stacks
    assert (decoded.function, decoded.function_offset) == (None, None)
    assert (decoded.file, decoded.line) == (None, None)


def test_an_outcome_of_a_newer_server_is_unspecified() -> None:
    response = symbolication_service_pb2.SymbolicateResponse.FromString(
        symbolication_service_pb2.SymbolicateResponse(
            modules=[module_pb2.ModuleResult(outcome=77)]  # type: ignore[arg-type]  # on purpose
        ).SerializeToString()
    )
    assert decode(response).modules[0].outcome is ModuleOutcome.UNSPECIFIED


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
    diagnostics = decode(response).diagnostics
    assert diagnostics is not None
    assert (diagnostics.seconds, diagnostics.waited_seconds) == (2.0, 0.5)
    assert diagnostics.is_wait_refused
    assert diagnostics.tiers[0].tier is Tier.STORE
    assert diagnostics.tiers[0].seconds is None
    assert diagnostics.modules[0].waited_seconds == 0.5
    assert diagnostics.warnings == ("store down",)


def test_an_ingested_module_keeps_its_origin() -> None:
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
    info = decoding.decode(ModuleInfo, response)
    assert info.outcome is ModuleOutcome.FOUND
    assert info.retry_after_seconds is None
    assert info.held is not None
    assert info.held.module == Module("xul.pdb", "AB1", "xul.dll")
    assert info.held.ingested_at == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert info.held.ingest_seconds == 3.0
    assert info.held.skipped_records == {"FUNC": 2}


def test_a_module_that_was_not_ingested_has_no_pages() -> None:
    info = decoding.decode(ModuleInfo, module_service_pb2.GetModuleResponse())
    assert info.held is None


def test_store_info_keeps_both_servers_apart() -> None:
    info = decoding.decode(
        StoreInfo,
        store_service_pb2.GetStoreInfoResponse(
            store=store_service_pb2.RedisInfo(is_reachable=True, keys=5),
            cache=store_service_pb2.RedisInfo(detail="refused", uptime=Duration(seconds=9)),
            tiers=[store_service_pb2.TierInfo(tier=tier_pb2.TIER_SPOOL, hit_ratio=0.25)],
        ),
    )
    assert (info.store.is_reachable, info.store.keys) == (True, 5)
    assert (info.cache.detail, info.cache.uptime_seconds) == ("refused", 9.0)
    assert [(tier.tier, tier.hit_ratio) for tier in info.tiers] == [(Tier.SPOOL, 0.25)]
