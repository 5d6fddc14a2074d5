"""What is told of modules, and remembered."""

from typing import Any

import grpc
import pytest

from symbolon import Client, Module, ModuleOutcome
from symbolon.explanations import SupplierAttempt, SupplierOutcome, SupplierRound
from symbolon.v1 import module_service_pb2
from symbolon_server.gateway.symbolicator.candidates import write_candidates, write_features
from symbolon_server.gateway.symbolicator.facts import (
    FOUND_SECONDS,
    NOTHING,
    OTHER_SECONDS,
    Asked,
    FactsMemory,
)
from symbolon_server.gateway.symbolicator.processors import name_architecture
from tests.client.canned import start_canned_server
from tests.fixtures.redis_fixtures import FakeClock


def attempt(supplier: str, outcome: SupplierOutcome, path: str, detail: str = "") -> Any:
    return SupplierAttempt(supplier, outcome, detail, None, 0, path)


def test_attempts_become_candidates_sorted_by_supplier_and_path() -> None:
    attempts = (
        attempt("b", SupplierOutcome.FOUND, "x/1"),
        attempt("b", SupplierOutcome.MALFORMED, "x/0"),
        attempt("a", SupplierOutcome.UNAVAILABLE, "x/0", "HTTP 500"),
        attempt("a", SupplierOutcome.MISSING, ""),
        attempt("c", SupplierOutcome.UNSPECIFIED, "", "paused"),
    )
    features = write_features(None)
    nowhere = "No object files listed on this source"
    assert write_candidates(SupplierRound(attempts, None, None), features) == [
        {"source": "a", "location": nowhere, "download": {"status": "notfound"}},
        {
            "source": "a",
            "location": "x/0",
            "download": {"status": "error", "details": "HTTP 500"},
        },
        {"source": "b", "location": "x/0", "download": {"status": "malformed"}},
        {
            "source": "b",
            "location": "x/1",
            "download": {"status": "ok", "features": features},
            "debug": {"status": "ok"},
        },
        {
            "source": "c",
            "location": nowhere,
            "download": {"status": "error", "details": "paused"},
        },
    ]
    assert write_candidates(None, features) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("x86", "x86"),
        ("i386", "x86"),
        ("AMD64", "x86_64"),
        ("arm64e", "arm64e"),
        ("", "unknown"),
        ("riscv64", "unknown"),
    ],
)
def test_architectures_have_the_names_of_symbolicator(given: str, told: str) -> None:
    assert name_architecture(given) == told


DEBUG_ID = "C3D8E3C7B6594DF1DFCA907993B477250"


def test_facts_are_remembered_for_a_while_and_for_one_outcome() -> None:
    clock = FakeClock(0.0)
    memory = FactsMemory(entries=3, clock=clock)
    answered: list[str] = []

    def answer(request: Any, _context: grpc.ServicerContext) -> Any:
        answered.append(request.module.debug_file)
        if request.module.debug_file == "lost":
            return module_service_pb2.ExplainFrameResponse()
        held = module_service_pb2.HeldModule(architecture="arm64", public_symbols=1)
        return module_service_pb2.ExplainFrameResponse(held=held)

    with start_canned_server() as canned, Client(canned.target) as client:
        canned.answers = [answer]

        def load(name: str, outcome: ModuleOutcome = ModuleOutcome.FOUND) -> Any:
            return memory.load(Asked(Module(name, DEBUG_ID), outcome), client, 9.0)

        facts = load("a")
        assert (facts.architecture, facts.features["has_symbols"]) == ("arm64", True)
        assert load("a") is facts
        assert load("a", ModuleOutcome.MISSING) is not facts
        clock.now = OTHER_SECONDS + 1
        load("a", ModuleOutcome.MISSING)
        clock.now = FOUND_SECONDS
        assert load("a") is facts
        clock.now += 1
        assert load("a") is not facts
        assert [load("lost"), load("lost")] == [NOTHING, NOTHING]
        assert answered == ["a", "a", "a", "a", "lost", "lost"]
        answered.clear()
        for name in ("b", "c", "a", "d", "c", "b", "a"):
            load(name)
        assert answered == ["b", "c", "d", "a"]


def test_the_server_is_not_asked_about_a_module_without_an_id() -> None:
    asked: list[str] = []

    def answer(request: Any, _context: grpc.ServicerContext) -> Any:
        asked.append(request.module.debug_file)
        return module_service_pb2.ExplainFrameResponse()

    with start_canned_server() as canned, Client(canned.target) as client:
        canned.answers = [answer]
        for module in (Module("libc.so.6"), Module("", "", "libc.so.6")):
            missing = Asked(module, ModuleOutcome.MISSING)
            assert FactsMemory().load(missing, client, 9.0) is NOTHING
        by_code_id = Asked(Module("", "", "libc.so.6", "0123456789abcdef"), ModuleOutcome.MISSING)
        FactsMemory().load(by_code_id, client, 9.0)
    assert len(asked) == 1


def test_a_server_that_cannot_tell_facts_fails_no_answer_and_is_asked_again() -> None:
    def refuse(_request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.INTERNAL, "it cannot")

    def answer(_request: Any, _context: grpc.ServicerContext) -> Any:
        held = module_service_pb2.HeldModule(architecture="arm64")
        return module_service_pb2.ExplainFrameResponse(held=held)

    memory, asked = FactsMemory(), Asked(Module("a", DEBUG_ID), ModuleOutcome.FOUND)
    with start_canned_server() as canned, Client(canned.target) as client:
        canned.answers = [refuse]
        assert memory.load(asked, client, 9.0) is NOTHING
        canned.answers = [answer]
        assert memory.load(asked, client, 9.0).architecture == "arm64"
