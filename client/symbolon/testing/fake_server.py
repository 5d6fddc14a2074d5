"""A server with canned answers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import grpc

from symbolon._messages.encoding import Report, make_module
from symbolon.reports import Frame, Module
from symbolon.results import InlineFrame, ModuleOutcome
from symbolon.testing.services import Services, add_services, make_key
from symbolon.v1.module_pb2 import ModuleOutcome as OutcomeNumber
from symbolon.v1.module_pb2 import ModuleResult
from symbolon.v1.stack_pb2 import FrameOutcome, SymbolicatedFrame
from symbolon.v1.stack_pb2 import InlineFrame as InlineMessage
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest

_THREADS = 4


class FakeServer:
    """A real gRPC server on a free port of this machine, with canned answers.

    It has every call of a Symbolon server. Modules without an answer are missing; other offsets of
    modules with one have no symbol. You can add answers at any time.
    """

    def __init__(self) -> None:
        self._services = Services()
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, "symbolon-fake"))
        add_services(self._services, self._server)
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()

    @property
    def target(self) -> str:
        """Its address, for `Client` and `AsyncClient`."""
        return f"127.0.0.1:{self._port}"

    @property
    def reports(self) -> Sequence[Report]:
        """The reports received so far, in their order.

        One for each call: clients join small reports.
        """
        return [_read_report(request) for request in self._services.requests]

    def add_frame(
        self,
        module: Module,
        module_offset: int,
        function: str,
        *,
        function_offset: int = 0,
        function_size: int | None = None,
        file: str | None = None,
        line: int | None = None,
        inlines: Sequence[InlineFrame] = (),
    ) -> None:
        """Answer this offset of the module with a function; the module counts as found."""
        frame = SymbolicatedFrame(
            module=module.code_file or module.debug_file,
            function=function,
            function_offset=function_offset,
            function_size=function_size or 0,
            file=file or "",
            line=line or 0,
            inlines=[
                InlineMessage(
                    function=inline.function, file=inline.file or "", line=inline.line or 0
                )
                for inline in inlines
            ],
            outcome=FrameOutcome.FRAME_OUTCOME_SYMBOLICATED,
        )
        self._services.put_frame(make_key(make_module(module)), module_offset, frame)

    def set_outcome(
        self,
        module: Module,
        outcome: ModuleOutcome,
        detail: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        """Set the outcome of a module, such as pending or malformed, and of its frames."""
        result = ModuleResult(
            outcome=OutcomeNumber.Value(f"MODULE_OUTCOME_{outcome.name}"), detail=detail
        )
        if retry_after_seconds is not None:
            result.retry_after.FromNanoseconds(round(retry_after_seconds * 1e9))
        self._services.put_module(make_key(make_module(module)), result)

    def fail(self, code: grpc.StatusCode, message: str = "set to fail", times: int = 1) -> None:
        """Fail the next calls; clients retry some failures."""
        self._services.failures.extend([(code, message)] * times)


def _read_report(request: SymbolicateRequest) -> Report:
    return Report(
        [
            Module(one.debug_file, one.debug_id, one.code_file, one.code_id)
            for one in request.modules
        ],
        [
            [
                Frame(
                    frame.module_index if frame.HasField("module_index") else None,
                    frame.module_offset,
                    frame.is_return_address,
                )
                for frame in stack.frames
            ]
            for stack in request.stacks
        ],
    )
