"""The calls about modules, from arguments to results."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from symbolon import (
    Client,
    DecidingSymbol,
    ExplainedPage,
    ExplainedRange,
    ExplainedTier,
    FrameOutcome,
    InlineFrame,
    InvalidRequestError,
    MissingModule,
    MissingModules,
    Module,
    ModuleOutcome,
    PublicSymbolVerdict,
    Queue,
    RunningIngest,
    SupplierAttempt,
    SupplierOutcome,
    SupplierRound,
    SymbolKind,
    Tier,
)
from symbolon.v1 import (
    explanation_pb2,
    module_pb2,
    module_service_pb2,
    stack_pb2,
    tier_pb2,
)
from tests.client.canned import Answer, CannedServer

XUL, LIBC = Module("xul.pdb", "AB1"), Module("libc.so", "CD0")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def answer_with(response: Message) -> Answer:
    return lambda _request, _context: response


def at(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def test_modules_can_be_prefetched(canned: CannedServer, client: Client) -> None:
    response = module_service_pb2.PrefetchModulesResponse(
        modules=[
            module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_PENDING),
            module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_MISSING, detail="nobody"),
        ]
    )
    canned.answers = [answer_with(response)]
    first, second = client.prefetch_modules([XUL, LIBC])
    assert first.outcome is ModuleOutcome.PENDING
    assert (second.outcome, second.detail) == (ModuleOutcome.MISSING, "nobody")
    assert [module.debug_file for module in canned.requests[0].modules] == ["xul.pdb", "libc.so"]


def test_modules_can_be_invalidated(canned: CannedServer, client: Client) -> None:
    response = module_service_pb2.InvalidateModulesResponse(
        modules=[
            module_service_pb2.InvalidatedModule(previous_outcome=module_pb2.MODULE_OUTCOME_FOUND)
        ]
    )
    canned.answers = [answer_with(response)]
    assert client.invalidate_modules([XUL]) == (ModuleOutcome.FOUND,)
    assert canned.requests[0].modules[0].debug_id == "AB1"


def test_missing_modules_can_be_listed(canned: CannedServer, client: Client) -> None:
    response = module_service_pb2.ListMissingModulesResponse(
        modules=[
            module_service_pb2.MissingModule(
                module=module_pb2.Module(debug_file="xul.pdb", debug_id="AB1", code_file="xul.dll"),
                requests=7,
                first_seen=at(NOON),
            )
        ],
        total=12,
    )
    canned.answers = [answer_with(response)]
    xul = MissingModule(Module("xul.pdb", "AB1", "xul.dll"), 7, NOON, None)
    assert client.list_missing_modules(5) == MissingModules((xul,), 12)
    assert canned.requests[0].limit == 5


def test_the_queue_can_be_read(canned: CannedServer, client: Client) -> None:
    running = module_service_pb2.RunningIngest(
        module=module_pb2.Module(debug_file="xul.pdb", debug_id="AB1"),
        worker="host:7",
        duration=Duration(seconds=2),
        attempts=1,
        caller="crashes",
    )
    response = module_service_pb2.GetQueueResponse(
        awaited=1, wanted=2, prefetches=3, running=[running], total_running=4
    )
    canned.answers = [answer_with(response)]
    ingest = RunningIngest(Module("xul.pdb", "AB1"), "host:7", 2.0, 1, "crashes")
    assert client.get_queue() == Queue(1, 2, 3, None, (ingest,), 4)


@pytest.mark.parametrize("limit", [-1, 2**32, "many"])
def test_an_invalid_limit_is_refused(client: Client, limit: Any) -> None:
    with pytest.raises(InvalidRequestError):
        client.list_missing_modules(limit)


EXPLANATION = module_service_pb2.ExplainFrameResponse(
    frame=stack_pb2.SymbolicatedFrame(
        module="xul.dll", outcome=stack_pb2.FRAME_OUTCOME_SYMBOLICATED, function="f()"
    ),
    module=module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_FOUND),
    looked_up_offset=15,
    tiers=[
        explanation_pb2.ExplainedTier(
            tier=tier_pb2.TIER_MEMORY,
            has_directory=True,
            generation="1-ab",
            has_answer=True,
            bytes=99,
            duration=Duration(nanos=500_000_000),
            detail="well",
        )
    ],
    held=module_service_pb2.HeldModule(
        pages=3,
        skipped_records={"FUNC": 2},
        format="elf",
        notes=["split DWARF is not read"],
    ),
    page=explanation_pb2.ExplainedPage(
        number=2, key="page:x", generation="1-ab", first_offset=8, tier=tier_pb2.TIER_STORE
    ),
    ranges=[
        explanation_pb2.ExplainedRange(
            first_offset=8,
            end_offset=16,
            is_hit=True,
            kind=explanation_pb2.SYMBOL_KIND_FUNCTION,
            function="f()",
            function_start=4,
            inlines=[stack_pb2.InlineFrame(function="g()")],
            is_multiple=True,
        )
    ],
    public_symbol_verdict=explanation_pb2.PUBLIC_SYMBOL_VERDICT_FUNCTION_COVERS,
    deciding_symbol=explanation_pb2.DecidingSymbol(
        kind=explanation_pb2.SYMBOL_KIND_FUNCTION, name="f()", start=4, end=0
    ),
    suppliers=explanation_pb2.SupplierRound(
        attempts=[
            explanation_pb2.SupplierAttempt(
                supplier="here",
                path="a/a.sym",
                outcome=explanation_pb2.SUPPLIER_OUTCOME_UNAVAILABLE,
                detail="refused",
                fetched_bytes=7,
            )
        ],
        ended_at=at(NOON),
        duration=Duration(seconds=2),
    ),
    failed_attempts=1,
    warnings=["the store is down"],
)


def test_a_frame_can_be_explained(canned: CannedServer, client: Client) -> None:
    canned.answers = [answer_with(EXPLANATION)]
    found = client.explain_frame(
        "xul.pdb", "AB1", 16, is_return_address=True, ranges_around=9, with_linkage_names=True
    )
    (request,) = canned.requests
    assert request.with_linkage_names
    assert (request.module.debug_id, request.module_offset) == ("AB1", 16)
    assert (request.is_return_address, request.ranges_around) == (True, 9)
    assert found.frame.outcome is FrameOutcome.SYMBOLICATED
    assert (found.looked_up_offset, found.failed_attempts) == (15, 1)
    assert found.tiers == (ExplainedTier(Tier.MEMORY, True, "1-ab", True, 99, 0.5, "well"),)
    assert found.held is not None
    assert found.held.skipped_records == {"FUNC": 2}
    assert (found.held.format, found.held.has_debug_info) == ("elf", False)
    assert found.held.notes == ("split DWARF is not read",)
    assert found.page == ExplainedPage(2, "page:x", "1-ab", 8, None, Tier.STORE, 0, 0)
    inline = InlineFrame("g()", None, None)
    assert found.ranges == (
        ExplainedRange(8, 16, True, SymbolKind.FUNCTION, "f()", 4, None, None, (inline,), True),
    )
    assert found.public_symbol_verdict is PublicSymbolVerdict.FUNCTION_COVERS
    assert found.deciding_symbol == DecidingSymbol(SymbolKind.FUNCTION, "f()", 4, 0)
    attempt = SupplierAttempt("here", SupplierOutcome.UNAVAILABLE, "refused", None, 7, "a/a.sym")
    assert found.suppliers == SupplierRound((attempt,), NOON, 2.0)
    assert found.warnings == ("the store is down",)


def test_an_unknown_module_is_explained(canned: CannedServer, client: Client) -> None:
    canned.answers = [answer_with(module_service_pb2.ExplainFrameResponse())]
    found = client.explain_frame("xul.pdb", "AB1", 16)
    assert (found.held, found.page, found.deciding_symbol, found.suppliers) == (None,) * 4
    assert found.public_symbol_verdict is PublicSymbolVerdict.UNSPECIFIED
