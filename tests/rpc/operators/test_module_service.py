from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from symbolon.v1 import explanation_pb2, module_pb2, stack_pb2, tier_pb2
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.cache.missing_modules import MissingModule
from symbolon_server.cache.module_memory import RememberedAttempt, SupplierRound
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import QueueFullError
from symbolon_server.ingest.queueing.queue_view import QueueOverview, RunningIngest
from symbolon_server.rpc.operators.encoding import encode_explanation
from symbolon_server.rpc.operators.module_service import ModuleService, ModuleTools
from symbolon_server.suppliers.chain import AttemptOutcome
from symbolon_server.symbolication.explaining.explanation import (
    DecidingSymbol,
    ExplainedPage,
    ExplainedRange,
    ExplainedTier,
    Explanation,
    Findings,
    Verdict,
)
from symbolon_server.symbolication.memory.queries import (
    FrameOutcome,
    ModuleOutcome,
    ModuleResult,
    TierName,
)
from symbolon_server.symbolication.module_lookup import ModuleReport
from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, ModuleFacts, PageDirectory, PageKey
from symbolon_server.symbols.paging import api_frames, wire
from tests.rpc.drive import Ended, call

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["ModuleService"]
XUL = ModuleId("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
LIBC = ModuleId("libc.so.6", "0123456789ABCDEF0123456789ABCDEF0")
DIRECTORY = PageDirectory(
    generation="1-0123456789ABCDEF",
    facts=ModuleFacts(
        os="windows",
        architecture="x86_64",
        module_name="xul.dll",
        code_id="5F0A1B2C1000",
        functions=10,
        public_symbols=20,
        ranges=300,
        skipped_records={"FUNC": 2},
        format="elf",
        has_debug_info=False,
        notes=("split DWARF is not read",),
    ),
    ingest=IngestFacts(
        supplier="https://symbols.example", finished_at=1.5e9, seconds=2.5, fetched_bytes=1234
    ),
    stored_bytes=999,
    first_offsets=np.array([0x1000, 0x2000], np.uint64),
)


@dataclass
class Known:
    """Everything that the service works with: known reports, and a list of the calls made."""

    reports: dict[ModuleId, ModuleReport] = field(default_factory=dict)
    missing: list[MissingModule] = field(default_factory=list)
    trouble: CacheUnavailableError | None = None
    asked: list[tuple[str, object]] = field(default_factory=list)

    def get_modules(self, module_ids: Sequence[ModuleId]) -> list[ModuleReport]:
        self._note("get", list(module_ids))
        return [self.reports.get(module_id, NOTHING) for module_id in module_ids]

    def prefetch(self, asked: Sequence[AskedModule], _caller: str) -> list[ModuleReport]:
        self._note("prefetch", list(asked))
        pending = ModuleReport(is_pending=True)
        return [self.reports.get(module.module_id, pending) for module in asked]

    def invalidate(self, module_ids: Collection[ModuleId]) -> None:
        self._note("invalidate", list(module_ids))

    def explain(self, module_id: ModuleId, lookup: tuple[int, bool], around: int) -> Explanation:
        self._note("explain", (module_id, lookup, around))
        return EXPLANATION

    def list(self, limit: int) -> tuple[list[MissingModule], int]:
        self._note("list", limit)
        return self.missing, 7

    def read(self) -> QueueOverview:
        self._note("queue", None)
        return OVERVIEW

    def _note(self, what: str, of: object) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.asked.append((what, of))


FRAME = api_frames.frame(b"", 0x1008, FrameOutcome.SYMBOLICATED, wire.bytes_field(3, b"main"), 8)
MAIN = Answer("main", 0x1000, "main.c", 7, (InlineAnswer("inner", "inner.h", 3),), True)
EXPLANATION = Explanation(
    frame=FRAME,
    result=ModuleResult(ModuleOutcome.FOUND),
    looked_up=0x1007,
    tiers=[
        ExplainedTier(TierName.MEMORY, detail="it is cold"),
        ExplainedTier(TierName.STORE, DIRECTORY, True, 77, 0.25),
    ],
    directory=DIRECTORY,
    findings=Findings(
        ExplainedPage(PageKey(XUL, DIRECTORY.generation, 1), 0x1000, None, TierName.STORE, 2, 77),
        [
            ExplainedRange(0x1000, 0x1010, True, MAIN),
            ExplainedRange(0x1010, None, False, None),
        ],
        Verdict.TAKEN,
        DecidingSymbol(Answer("exported", 0x1000, "", 0, (), False, True), 0x1010),
    ),
    suppliers=SupplierRound(
        [
            RememberedAttempt("https://one.example", "unavailable", "it is down", 1.0, 0, "a/b"),
            RememberedAttempt("https://two.example", "found", "", 1.5, 99),
        ],
        1.5e9,
        2.5,
    ),
    failed_attempts=2,
    warnings=["something"],
)

OVERVIEW = QueueOverview(
    {Band.AWAITED: 1, Band.WANTED: 2, Band.PREFETCH: 3},
    1.5,
    [
        RunningIngest(XUL, "host:7", 2.5, 2, "crashes"),
        RunningIngest(LIBC.with_linkage_names, "", None, 0, ""),
    ],
    9,
)
NOTHING = ModuleReport()
FAILED = ModuleReport(failure=Failure(FailureKind.MISSING, "nobody has it", 1, 30.0))
ASKED_XUL = module_pb2.Module(debug_file=XUL.debug_file, debug_id=XUL.debug_id.lower())
ASKED_LIBC = module_pb2.Module(debug_file=LIBC.debug_file, debug_id=LIBC.debug_id)
NO_ID = module_pb2.Module(debug_file="xul.pdb")


def ask(known: Known, method: str, request: Message) -> Ended:
    double: Any = known
    tools = ModuleTools(double, double, double, double, double, double)
    return call(DESCRIPTOR, ModuleService(tools, 4, lambda _: "a caller"), method, request)


def get_module(report: ModuleReport, module: module_pb2.Module = ASKED_XUL) -> Ended:
    return ask(Known({XUL: report}), "GetModule", pb.GetModuleRequest(module=module))


def test_a_known_module_has_its_facts() -> None:
    response = get_module(ModuleReport(DIRECTORY)).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_FOUND
    held = response.held
    assert held.module == module_pb2.Module(
        debug_file="xul.pdb",
        debug_id=XUL.debug_id,
        code_file="xul.dll",
        code_id="5F0A1B2C1000",
    )
    assert (held.name, held.os, held.architecture) == ("xul.dll", "windows", "x86_64")
    assert (held.generation, held.pages, held.stored_bytes) == ("1-0123456789ABCDEF", 2, 999)
    assert (held.functions, held.public_symbols, held.ranges) == (10, 20, 300)
    assert dict(held.skipped_records) == {"FUNC": 2}
    assert (held.format, held.has_debug_info) == ("elf", False)
    assert list(held.notes) == ["split DWARF is not read"]
    assert (held.supplier, held.fetched_bytes) == ("https://symbols.example", 1234)
    assert held.ingested_at.ToSeconds() == 1_500_000_000
    assert held.ingest_duration.ToMilliseconds() == 2500


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (FailureKind.MISSING, module_pb2.MODULE_OUTCOME_MISSING),
        (FailureKind.UNAVAILABLE, module_pb2.MODULE_OUTCOME_UNAVAILABLE),
        (FailureKind.MALFORMED, module_pb2.MODULE_OUTCOME_MALFORMED),
    ],
)
def test_a_remembered_failure_says_when_to_retry(
    kind: FailureKind, outcome: module_pb2.ModuleOutcome.ValueType
) -> None:
    failure = Failure(kind, "why", attempts=3, retry_after_seconds=12.5)
    response = get_module(ModuleReport(failure=failure)).response
    assert response == pb.GetModuleResponse(
        outcome=outcome,
        detail="why",
        retry_after=Duration(seconds=12, nanos=500_000_000),
        failed_attempts=3,
    )


def test_a_module_on_the_queue_is_pending() -> None:
    response = get_module(ModuleReport(is_pending=True)).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_PENDING


def test_nothing_is_known_of_a_module_that_was_never_requested() -> None:
    response = get_module(NOTHING).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_NOT_REFERENCED


def test_a_module_with_an_empty_part_is_missing() -> None:
    response = get_module(NOTHING, NO_ID).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_MISSING


def test_an_invalid_module_is_refused() -> None:
    ended = get_module(NOTHING, module_pb2.Module(debug_file="../x"))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details.startswith("module.debug_file: ")


def test_without_the_cache_calls_fail_with_unavailable() -> None:
    known = Known(trouble=CacheUnavailableError("down"))
    for method, request in (
        ("GetModule", pb.GetModuleRequest(module=ASKED_XUL)),
        ("PrefetchModules", pb.PrefetchModulesRequest()),
        ("InvalidateModules", pb.InvalidateModulesRequest()),
        ("ListMissingModules", pb.ListMissingModulesRequest()),
        ("GetQueue", pb.GetQueueRequest()),
    ):
        assert ask(known, method, request).code is grpc.StatusCode.UNAVAILABLE


def test_prefetched_modules_are_answered_in_order_and_queued_once() -> None:
    known = Known({XUL: FAILED})
    request = pb.PrefetchModulesRequest(modules=[ASKED_LIBC, NO_ID, ASKED_XUL, ASKED_LIBC])
    results = ask(known, "PrefetchModules", request).response.modules
    assert [result.outcome for result in results] == [
        module_pb2.MODULE_OUTCOME_PENDING,
        module_pb2.MODULE_OUTCOME_MISSING,
        module_pb2.MODULE_OUTCOME_MISSING,
        module_pb2.MODULE_OUTCOME_PENDING,
    ]
    assert (results[2].detail, results[2].retry_after.seconds) == ("nobody has it", 30)
    assert known.asked == [("prefetch", [AskedModule(LIBC), AskedModule(XUL)])]


def test_a_full_queue_fails_with_resource_exhausted() -> None:
    known = Known(trouble=QueueFullError("full"))
    ended = ask(known, "PrefetchModules", pb.PrefetchModulesRequest(modules=[ASKED_XUL]))
    assert ended.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_invalidated_modules_have_their_previous_outcomes() -> None:
    known = Known({XUL: ModuleReport(DIRECTORY), LIBC: ModuleReport(is_pending=True)})
    request = pb.InvalidateModulesRequest(modules=[ASKED_LIBC, ASKED_XUL, NO_ID])
    modules = ask(known, "InvalidateModules", request).response.modules
    assert [module.previous_outcome for module in modules] == [
        module_pb2.MODULE_OUTCOME_PENDING,
        module_pb2.MODULE_OUTCOME_FOUND,
        module_pb2.MODULE_OUTCOME_MISSING,
    ]
    assert known.asked == [("get", [LIBC, XUL]), ("invalidate", [LIBC, XUL])]


@pytest.mark.parametrize("request_type", [pb.PrefetchModulesRequest, pb.InvalidateModulesRequest])
@pytest.mark.parametrize(
    ("modules", "violation"),
    [
        ([ASKED_XUL] * 5, "modules: has 5 entries, the limit is 4"),
        ([ASKED_XUL, module_pb2.Module(debug_file="a/b")], "modules[1].debug_file: "),
    ],
    ids=["too many", "no debug file"],
)
def test_a_list_that_breaks_a_rule_is_refused_and_nothing_is_done(
    request_type: type[pb.PrefetchModulesRequest],
    modules: list[module_pb2.Module],
    violation: str,
) -> None:
    known = Known()
    method = request_type.DESCRIPTOR.name.removesuffix("Request")
    ended = ask(known, method, request_type(modules=modules))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details.startswith(violation)
    assert known.asked == []


def test_missing_modules_have_the_names_that_callers_sent() -> None:
    asked = AskedModule(XUL, "xul.dll", "5F0A1B2C1000")
    known = Known(missing=[MissingModule(asked, 3, 1000.5, 2000.25)])
    response = ask(known, "ListMissingModules", pb.ListMissingModulesRequest()).response
    (module,) = response.modules
    assert module.module == module_pb2.Module(
        debug_file="xul.pdb",
        debug_id=XUL.debug_id,
        code_file="xul.dll",
        code_id="5F0A1B2C1000",
    )
    assert module.requests == 3
    assert module.first_seen.ToMilliseconds() == 1_000_500
    assert module.last_seen.ToMilliseconds() == 2_000_250
    assert response.total == 7
    assert known.asked == [("list", 100)]


def test_no_more_missing_modules_are_listed_than_are_remembered() -> None:
    known = Known()
    request = pb.ListMissingModulesRequest(limit=10_000)
    assert ask(known, "ListMissingModules", request).code is grpc.StatusCode.OK
    ended = ask(known, "ListMissingModules", pb.ListMissingModulesRequest(limit=10_001))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details == "limit: is 10001, the limit is 10000"
    assert known.asked == [("list", 10_000)]


def test_the_queue_is_reported_with_running_ingests() -> None:
    response = ask(Known(), "GetQueue", pb.GetQueueRequest()).response
    assert (response.awaited, response.wanted, response.prefetches) == (1, 2, 3)
    assert response.longest_wait.ToMilliseconds() == 1_500
    known, unknown = response.running
    assert (known.module.debug_file, known.module.debug_id) == (XUL.debug_file, XUL.debug_id)
    assert (known.worker, known.attempts, known.caller) == ("host:7", 2, "crashes")
    assert known.duration.ToMilliseconds() == 2_500
    assert not unknown.HasField("duration")
    assert (known.with_linkage_names, unknown.with_linkage_names) == (False, True)
    assert unknown.module.debug_id == LIBC.debug_id
    assert response.total_running == 9


def explain(known: Known, **fields: Any) -> Ended:
    fields = {"module": ASKED_XUL} | fields
    return ask(known, "ExplainFrame", pb.ExplainFrameRequest(**fields))


def test_an_explanation_has_everything_that_was_found() -> None:
    known = Known()
    response = explain(known, module_offset=0x1008, is_return_address=True).response
    assert known.asked == [("explain", (XUL, (0x1008, True), 3))]
    assert response.frame.function == "main"
    assert response.module.outcome == module_pb2.MODULE_OUTCOME_FOUND
    assert response.looked_up_offset == 0x1007
    memory, store = response.tiers
    assert (memory.tier, memory.has_directory, memory.has_answer) == (
        tier_pb2.TIER_MEMORY,
        False,
        False,
    )
    assert (store.tier, store.generation, store.has_answer, store.bytes) == (
        tier_pb2.TIER_STORE,
        DIRECTORY.generation,
        True,
        77,
    )
    assert store.duration.ToMilliseconds() == 250
    assert (memory.detail, store.detail) == ("it is cold", "")
    assert response.held.generation == DIRECTORY.generation
    page = response.page
    assert page.key == f"page:{XUL}:{DIRECTORY.generation}:1"
    assert (page.number, page.first_offset, page.ranges, page.stored_bytes) == (1, 0x1000, 2, 77)
    assert page.tier == tier_pb2.TIER_STORE
    assert not page.HasField("end_offset")
    hit, gap = response.ranges
    assert (hit.first_offset, hit.end_offset, hit.is_hit) == (0x1000, 0x1010, True)
    assert (hit.kind, hit.function, hit.function_start) == (
        explanation_pb2.SYMBOL_KIND_FUNCTION,
        "main",
        0x1000,
    )
    assert (hit.file, hit.line, hit.is_multiple) == ("main.c", 7, True)
    assert [(i.function, i.file, i.line) for i in hit.inlines] == [("inner", "inner.h", 3)]
    assert (gap.kind, gap.function) == (explanation_pb2.SYMBOL_KIND_UNSPECIFIED, "")
    assert not gap.HasField("end_offset")
    assert response.public_symbol_verdict == explanation_pb2.PUBLIC_SYMBOL_VERDICT_TAKEN
    symbol = response.deciding_symbol
    assert (symbol.kind, symbol.name, symbol.start, symbol.end) == (
        explanation_pb2.SYMBOL_KIND_PUBLIC,
        "exported",
        0x1000,
        0x1010,
    )
    said = [(a.supplier, a.path, a.outcome, a.detail) for a in response.suppliers.attempts]
    assert said == [
        ("https://one.example", "a/b", explanation_pb2.SUPPLIER_OUTCOME_UNAVAILABLE, "it is down"),
        ("https://two.example", "", explanation_pb2.SUPPLIER_OUTCOME_FOUND, ""),
    ]
    assert response.suppliers.ended_at.ToSeconds() == 1_500_000_000
    assert response.suppliers.duration.ToMilliseconds() == 2_500
    assert response.failed_attempts == 2
    assert list(response.warnings) == ["something"]


def test_every_outcome_of_a_supplier_has_a_name_in_the_api() -> None:
    for outcome in AttemptOutcome:
        attempt = RememberedAttempt("a supplier", outcome.value, "", 0.0, 0)
        explained = EXPLANATION._replace(suppliers=SupplierRound([attempt], 0.0, 0.0))
        (told,) = encode_explanation(XUL, explained).suppliers.attempts
        name = explanation_pb2.SupplierOutcome.Name(told.outcome)
        assert name == f"SUPPLIER_OUTCOME_{outcome.name}"


def test_every_verdict_has_its_number_in_the_api() -> None:
    for verdict in Verdict:
        name = explanation_pb2.PublicSymbolVerdict.Name(
            explanation_pb2.PublicSymbolVerdict.ValueType(verdict)
        )
        expected = "UNSPECIFIED" if verdict is Verdict.UNKNOWN else verdict.name
        assert name == f"PUBLIC_SYMBOL_VERDICT_{expected}"


def test_a_frame_of_a_module_without_an_id_is_missing() -> None:
    known = Known()
    response = explain(known, module=NO_ID, module_offset=16, is_return_address=True).response
    assert response.module.outcome == module_pb2.MODULE_OUTCOME_MISSING
    assert response.frame == stack_pb2.SymbolicatedFrame(
        module=NO_ID.debug_file,
        module_offset=16,
        outcome=stack_pb2.FRAME_OUTCOME_MODULE_MISSING,
    )
    assert response.looked_up_offset == 15
    assert known.asked == []


@pytest.mark.parametrize(
    ("request_fields", "violation"),
    [
        ({"module": None}, "module: must be set"),
        ({"module": module_pb2.Module(debug_file="a/b")}, "module.debug_file: "),
        ({"ranges_around": 101}, "ranges_around: is 101, the limit is 100"),
    ],
)
def test_an_explanation_that_breaks_a_rule_is_refused(
    request_fields: dict[str, Any], violation: str
) -> None:
    ended = explain(Known(), **request_fields)
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details.startswith(violation)
