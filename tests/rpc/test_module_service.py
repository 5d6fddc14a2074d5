from dataclasses import dataclass

import grpc
import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from symbolon.v1 import module_pb2
from symbolon.v1 import module_service_pb2 as pb
from symbolon_server.cache.failures import Failure, FailureKind
from symbolon_server.cache.keyed_cache import CacheUnavailableError
from symbolon_server.rpc.module_service import ModuleService
from symbolon_server.symbolication.module_lookup import ModuleReport
from symbolon_server.symbols.module_ids import ModuleId
from symbolon_server.symbols.pages import IngestFacts, ModuleFacts, PageDirectory
from tests.rpc.drive import Ended, call

DESCRIPTOR = pb.DESCRIPTOR.services_by_name["ModuleService"]
XUL = ModuleId("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
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
    ),
    ingest=IngestFacts(
        supplier="https://symbols.example", finished_at=1.5e9, seconds=2.5, fetched_bytes=1234
    ),
    stored_bytes=999,
    first_offsets=np.array([0x1000, 0x2000], np.uint64),
)


@dataclass
class Known:
    """Knows one report for every module."""

    report: ModuleReport
    is_cache_down: bool = False

    def get_module(self, module_id: ModuleId) -> ModuleReport:
        assert module_id == XUL
        if self.is_cache_down:
            raise CacheUnavailableError("down")
        return self.report


def get_module(
    known: Known, *, pending: bool = False, module: module_pb2.Module | None = None
) -> Ended:
    servicer = ModuleService(known, lambda _module_id: pending)
    if module is None:
        module = module_pb2.Module(debug_file=XUL.debug_file, debug_id=XUL.debug_id.lower())
    return call(DESCRIPTOR, servicer, "GetModule", pb.GetModuleRequest(module=module))


NOTHING = ModuleReport(None, None)


def test_a_held_module_tells_its_facts() -> None:
    response = get_module(Known(ModuleReport(DIRECTORY, None))).response
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
def test_a_remembered_failure_tells_when_it_will_be_tried_again(
    kind: FailureKind, outcome: module_pb2.ModuleOutcome.ValueType
) -> None:
    failure = Failure(kind, "why", attempts=3, retry_after_seconds=12.5)
    response = get_module(Known(ModuleReport(None, failure))).response
    assert response == pb.GetModuleResponse(
        outcome=outcome,
        detail="why",
        retry_after=Duration(seconds=12, nanos=500_000_000),
        failed_attempts=3,
    )


def test_a_module_on_the_queue_is_pending() -> None:
    response = get_module(Known(NOTHING), pending=True).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_PENDING


def test_of_a_module_that_nobody_asked_for_nothing_is_known() -> None:
    response = get_module(Known(NOTHING)).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_NOT_REFERENCED


def test_a_module_with_an_empty_part_is_missing() -> None:
    module = module_pb2.Module(debug_file="xul.pdb")
    response = get_module(Known(NOTHING), module=module).response
    assert response.outcome == module_pb2.MODULE_OUTCOME_MISSING


def test_an_invalid_module_is_refused() -> None:
    ended = get_module(Known(NOTHING), module=module_pb2.Module(debug_file="../x"))
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert ended.details.startswith("module.debug_file: ")


def test_without_the_cache_the_call_is_unavailable_for_now() -> None:
    ended = get_module(Known(NOTHING, is_cache_down=True))
    assert ended.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("PrefetchModules", pb.PrefetchModulesRequest),
        ("InvalidateModules", pb.InvalidateModulesRequest),
        ("ListMissingModules", pb.ListMissingModulesRequest),
        ("ExplainFrame", pb.ExplainFrameRequest),
    ],
)
def test_what_is_not_offered_is_unimplemented(
    method: str, request_type: type[pb.ListMissingModulesRequest]
) -> None:
    servicer = ModuleService(Known(NOTHING), lambda _module_id: False)
    ended = call(DESCRIPTOR, servicer, method, request_type())
    assert ended.code is grpc.StatusCode.UNIMPLEMENTED
    assert method in ended.details
