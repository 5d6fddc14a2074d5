"""The asyncio client: the calls of `Client`, to be awaited."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Self, TypeVar

import grpc
import grpc.aio

import symbolon
from symbolon._batching.batches import OWN_ERRORS, Batch, must_finish, name_fields, pair
from symbolon._batching.in_turn import CallsInTurn
from symbolon._batching.packers import Packer, choose_packer, pack
from symbolon._batching.progress import Count, Tell
from symbolon._calling import calls
from symbolon._calling.calls import Call
from symbolon._calling.channels import AsyncStubs, find_raw_symbolicate, open_async_channel
from symbolon._calling.options import DEFAULT_TIMEOUT_SECONDS, CallOptions
from symbolon._calling.rpc_errors import Connection
from symbolon._calling.targets import DEFAULT_TARGET, join_targets
from symbolon._calling.tokens import call_credentials
from symbolon._messages.answers import ReportResult, symbolication_of
from symbolon._messages.encoding import AnyReport, Report
from symbolon._messages.raw_messages import RawRequest
from symbolon.errors import InvalidRequestError
from symbolon.reports import Frame, Module
from symbolon.results import (
    MissingModules,
    ModuleInfo,
    ModuleOutcome,
    ModuleResult,
    Queue,
    StoreInfo,
    Symbolication,
)

T = TypeVar("T")
ReportT = TypeVar("ReportT", bound=AnyReport)


class AsyncClient:
    """As `Client`, for asyncio: the same calls with the same results, to be awaited.

    Create and use it in a running event loop. Cancelling a task that waits for a call raises
    `asyncio.CancelledError` in it, as usual.
    """

    def __init__(
        self,
        target: str | Sequence[str] = DEFAULT_TARGET,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        wait_for_ready: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        options: Sequence[tuple[str, Any]] = (),
        tracing: bool = False,
    ) -> None:
        """Prepare the connection; the arguments are those of `Client`."""
        joined = join_targets(target)
        self._connection = Connection(joined)
        self._options = CallOptions(timeout, wait_for_ready)
        self.channel = open_async_channel(joined, credentials, options, token, tracing=tracing)
        """gRPC's channel, for stubs of other services."""
        self.stubs = AsyncStubs(self.channel)
        """The generated API: messages in, messages out, gRPC's errors."""
        self._symbolicate = find_raw_symbolicate(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def with_token(self, token: str) -> Self:
        """As `Client.with_token`."""
        bearing = copy.copy(self)
        options = self._options._replace(credentials=call_credentials(token))
        bearing._options = options  # noqa: SLF001 # of the same class
        return bearing

    async def close(self) -> None:
        """Close the connection; calls in flight and later ones raise `ClosedError`."""
        self._connection.is_closed = True
        await self.channel.close()

    async def symbolicate(
        self,
        modules: Sequence[Module],
        stacks: Sequence[Sequence[Frame]],
        max_wait: float | None = None,
        *,
        with_diagnostics: bool = False,
        with_linkage_names: bool = False,
        timeout: float | None = None,
        request_id: str | None = None,
    ) -> Symbolication:
        """As `Client.symbolicate`."""
        options = self._options.choose(timeout, request_id)
        packer = choose_packer(
            max_wait, with_diagnostics=with_diagnostics, with_linkage_names=with_linkage_names
        )
        batches = pack([Report(modules, stacks)], packer)
        answers = self._answer(each(batches), packer, options)
        ((result,),) = [results async for results in answers]
        return result.symbolication()

    async def symbolicate_batch(
        self,
        reports: Iterable[Report],
        max_wait: float | None = None,
        *,
        with_linkage_names: bool = False,
        timeout: float | None = None,
    ) -> tuple[Symbolication, ...]:
        """As `Client.symbolicate_batch`."""
        results = self.symbolicate_many(
            reports, max_wait, with_linkage_names=with_linkage_names, timeout=timeout
        )
        answers: list[Symbolication] = []
        async for result in results:
            answers.append(symbolication_of(len(answers), result))
        return tuple(answers)

    async def symbolicate_many(
        self,
        reports: Iterable[ReportT] | AsyncIterable[ReportT],
        max_wait: float | None = None,
        *,
        with_diagnostics: bool = False,
        with_linkage_names: bool = False,
        remember_seconds: float = 0,
        timeout: float | None = None,
        progress: Tell | None = None,
    ) -> AsyncIterator[ReportResult[ReportT]]:
        """As `Client.symbolicate_many`; `reports` may also be an async iterable."""
        count = Count(progress)
        options = self._options.choose(timeout)
        packer = choose_packer(
            max_wait,
            with_diagnostics=with_diagnostics,
            with_linkage_names=with_linkage_names,
            remember_seconds=remember_seconds,
        )
        batches = pack_each(reports, packer)
        async with aclosing(self._answer(batches, packer, options)) as answers:
            async for results in answers:
                for result in results:
                    yield result
                count.add(results)

    async def get_module(
        self,
        debug_file: str,
        debug_id: str,
        *,
        code_file: str = "",
        code_id: str = "",
        timeout: float | None = None,
    ) -> ModuleInfo:
        """As `Client.get_module`."""
        module = Module(debug_file, debug_id, code_file, code_id)
        return await self._ask(calls.get_module(module), timeout)

    async def prefetch_modules(
        self, modules: Sequence[Module], *, timeout: float | None = None
    ) -> tuple[ModuleResult, ...]:
        """As `Client.prefetch_modules`."""
        return await self._ask(calls.prefetch_modules(modules), timeout)

    async def invalidate_modules(
        self, modules: Sequence[Module], *, timeout: float | None = None
    ) -> tuple[ModuleOutcome, ...]:
        """As `Client.invalidate_modules`."""
        return await self._ask(calls.invalidate_modules(modules), timeout)

    async def list_missing_modules(
        self, limit: int = 0, *, timeout: float | None = None
    ) -> MissingModules:
        """As `Client.list_missing_modules`."""
        return await self._ask(calls.list_missing_modules(limit), timeout)

    async def get_queue(self, *, timeout: float | None = None) -> Queue:
        """As `Client.get_queue`."""
        return await self._ask(calls.get_queue(), timeout)

    async def explain_frame(
        self,
        debug_file: str,
        debug_id: str,
        module_offset: int,
        *,
        code_file: str = "",
        code_id: str = "",
        is_return_address: bool = False,
        ranges_around: int = 0,
        with_linkage_names: bool = False,
        timeout: float | None = None,
    ) -> symbolon.Explanation:
        """As `Client.explain_frame`."""
        module = Module(debug_file, debug_id, code_file, code_id)
        call = calls.explain_frame(
            module, module_offset, is_return_address, ranges_around, with_linkage_names
        )
        return await self._ask(call, timeout)

    async def get_store_info(self, *, timeout: float | None = None) -> StoreInfo:
        """As `Client.get_store_info`."""
        return await self._ask(calls.get_store_info(), timeout)

    async def is_serving(self, service: str = "", *, timeout: float | None = None) -> bool:
        """As `Client.is_serving`."""
        return await self._ask(calls.is_serving(service), timeout)

    async def _ask(self, call: Call[T], timeout: float | None) -> T:
        method = call.find_method(self)
        options = self._options.choose(timeout)
        with self._connection.translating_errors():
            answer = await method(call.request, **options)
        return call.decode(answer)

    async def _answer(
        self,
        batches: AsyncIterable[Batch[ReportT]],
        packer: Packer[ReportT],
        options: dict[str, Any],
    ) -> AsyncGenerator[list[ReportResult[ReportT]], None]:
        """Yield the results of each batch, with several calls in flight."""
        started: deque[tuple[Batch[ReportT], CallsInTurn]] = deque()
        try:
            async for batch in batches:
                started.append((batch, self._start(batch, options)))
                while must_finish(started):
                    yield await self._finish(*started.popleft(), packer, options)
            while started:
                yield await self._finish(*started.popleft(), packer, options)
        finally:
            for _, pending in started:
                pending.cancel()

    def _start(self, batch: Batch[ReportT], options: dict[str, Any]) -> CallsInTurn:
        def start(request: RawRequest, timeout: float) -> Any:
            with self._connection.translating_errors():
                return self._symbolicate(request, **{**options, "timeout": timeout})

        return CallsInTurn(batch.requests, start, options["timeout"])

    async def _finish(
        self,
        batch: Batch[ReportT],
        pending: CallsInTurn,
        packer: Packer[ReportT],
        options: dict[str, Any],
    ) -> list[ReportResult[ReportT]]:
        """Return the results of a batch; if one report may have failed it, send each alone."""
        try:
            each_call = enumerate(pending.futures())
            return pair(
                batch, [await self._wait(call, batch, number) for number, call in each_call]
            )
        except OWN_ERRORS as error:
            smaller = packer.take_apart(batch)
            if not smaller:
                return [ReportResult(batch.reports[0], error)]
        finally:
            pending.cancel()
        again = self._answer(each(smaller), packer, options)
        return [result async for results in again for result in results]

    async def _wait(self, call: Any, batch: Batch[Any], number: int) -> Any:
        try:
            with self._connection.translating_errors():
                return await call
        except InvalidRequestError as error:
            raise name_fields(batch, number, error) from error.__cause__


async def pack_each(
    reports: Iterable[ReportT] | AsyncIterable[ReportT], packer: Packer[ReportT]
) -> AsyncIterator[Batch[ReportT]]:
    """Yield the batches of all reports, as `pack` does."""
    async for report in reports if isinstance(reports, AsyncIterable) else each(reports):
        for batch in packer.add(report):
            yield batch
    for batch in packer.finish():
        yield batch


async def each(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items of a plain iterable."""
    for item in items:
        yield item
