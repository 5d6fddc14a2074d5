"""The client of the benchmarks, in a process of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Self

from symbolon.v1.module_pb2 import ModuleOutcome
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from tests.bench.world.programs import Program, Symbolon

SYMBOLICATE = "/symbolon.v1.SymbolicationService/Symbolicate"
SYMBOLICATE_STREAM = "/symbolon.v1.SymbolicationService/SymbolicateStream"

UNANSWERED = 16
"""Requests of a stream that have no answer at a time."""

_ROUNDS_TO_LOAD = 50


@dataclass(frozen=True, slots=True)
class Load:
    """What a server did while it was kept busy."""

    calls_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float
    most_milliseconds: float


class Caller:
    """Calls servers and times the calls."""

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="symbolon-bench-calls-")
        self._program = Program(["tests.bench.world.caller_program"])
        return self

    def __exit__(self, *error: object) -> None:
        self._program.__exit__(None, None, None)
        self._folder.cleanup()

    def processor_seconds(self) -> float:
        """Return the processor time that it has used."""
        return self._program.processor_seconds()

    def write_request(self, name: str, request: bytes) -> Path:
        """Return a file with this request."""
        path = Path(self._folder.name, name)
        path.write_bytes(request)
        return path

    def call(self, target: str, request: bytes, method: str = SYMBOLICATE) -> tuple[bytes, float]:
        """Return the answer to a call and the seconds from call to answer."""
        answer = Path(self._folder.name, "answer")
        order = {
            "do": "call",
            "target": target,
            "method": method,
            "request": str(self.write_request("request", request)),
            "answer": str(answer),
        }
        seconds: float = self._program.ask(order)["seconds"]
        return answer.read_bytes(), seconds

    def load(self, target: str, method: str, request: Path, seconds: float, callers: int) -> Load:
        """Keep a server busy for `seconds` with one request from so many callers at a time."""
        order = {
            "do": "load",
            "target": target,
            "method": method,
            "request": str(request),
            "seconds": seconds,
            "callers": callers,
        }
        return _load_of(self._program.ask(order))

    def post(
        self,
        address: str,
        path: str,
        bodies: Sequence[bytes],
        callers: int,
        seconds: float | None = None,
    ) -> Load:
        """Keep a gateway busy with these bodies in turn, for `seconds` or until each was sent."""
        order = {
            "do": "post",
            "address": address,
            "path": path,
            "request": str(self.write_request("bodies", b"".join(bodies))),
            "lengths": list(map(len, bodies)),
            "seconds": seconds,
            "callers": callers,
        }
        return _load_of(self._program.ask(order))

    def each(self, target: str, requests: Sequence[bytes], callers: int) -> float:
        """Make these calls, so many at a time; return the seconds until all are answered."""
        order = {
            "do": "each",
            "target": target,
            "method": SYMBOLICATE,
            "request": str(self.write_request("each", b"".join(requests))),
            "lengths": list(map(len, requests)),
            "callers": callers,
        }
        return float(self._program.ask(order)["elapsed"])

    def stream(self, target: str, request: Path, seconds: float, streams: int) -> float:
        """Keep a server busy for `seconds` over so many streams; return its answers a second."""
        order = {
            "do": "stream",
            "target": target,
            "method": SYMBOLICATE_STREAM,
            "request": str(request),
            "seconds": seconds,
            "streams": streams,
            "unanswered": UNANSWERED,
        }
        found = self._program.ask(order)
        return float(found["answers"] / found["elapsed"])

    def answer_fully(self, server: Symbolon, request: SymbolicateRequest) -> bytes:
        """Return the answer to a request once nothing of it is pending any more."""
        data = request.SerializeToString()
        for _ in range(_ROUNDS_TO_LOAD):
            answer, _ = self.call(server.target, data)
            outcomes = {result.outcome for result in SymbolicateResponse.FromString(answer).modules}
            if outcomes <= {
                ModuleOutcome.MODULE_OUTCOME_FOUND,
                ModuleOutcome.MODULE_OUTCOME_NOT_REFERENCED,
            }:
                return answer
            if outcomes & {
                ModuleOutcome.MODULE_OUTCOME_MISSING,
                ModuleOutcome.MODULE_OUTCOME_MALFORMED,
            }:
                raise ValueError(f"a module of the benchmark is not there: {outcomes}")
        raise TimeoutError("the modules of a request did not get ready")


def _load_of(found: Mapping[str, Any]) -> Load:
    taken: list[float] = found["seconds"]
    percents = quantiles(taken, n=100) if len(taken) > 1 else [taken[0]] * 99
    return Load(
        len(taken) / found["elapsed"], percents[49] * 1e3, percents[98] * 1e3, max(taken) * 1e3
    )
