"""The client: calls that return typed results."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from symbolon._batching.batches import OWN_ERRORS, Batch, must_finish, name_fields, pair
from symbolon._batching.packers import Packer, choose_packer, pack
from symbolon._batching.progress import Count, Tell
from symbolon._calling import calls
from symbolon._calling.calls import Call
from symbolon._calling.channels import open_channel
from symbolon._calling.connections import Connection
from symbolon._calling.options import DEFAULT_TIMEOUT_SECONDS, CallOptions
from symbolon._calling.stubs import Stubs, find_raw_symbolicate
from symbolon._calling.targets import DEFAULT_TARGET, join_targets
from symbolon._calling.tokens import call_credentials
from symbolon._messages.answers import ReportResult, symbolication_of
from symbolon._messages.encoding import AnyReport, Report
from symbolon.errors import InvalidRequestError
from symbolon.explanations import Explanation
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


class Client:
    """A connection to a server, or to several; may be used by any number of threads.

    Every call has a deadline, and raises only `SymbolonError` and its subclasses. Calls that
    may be repeated are tried again by gRPC, within their deadline, when the server cannot be
    reached or is full.
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
    ) -> None:
        """Connect when the first call is made.

        A target without a port has the default one, 50051. Several targets, or several addresses
        of one name, take calls in turn; of several targets each must be an IP address. Raises
        `InvalidTargetError`, which is a `ValueError` too. `timeout` is
        each call's deadline in seconds; `wait_for_ready` waits that long for a server that is
        not there yet; `options` are gRPC's channel options.

        The connection is encrypted with `credentials` (`grpc.ssl_channel_credentials`, with key
        and certificate where the server wants to know its clients). The `token` is sent with
        each call, without white space around it; raises `InvalidCredentialsError` where it would
        leave this machine without TLS.
        """
        joined = join_targets(target)
        self._connection = Connection(joined)
        self._options = CallOptions(timeout, wait_for_ready)
        self.channel = open_channel(joined, credentials, options, token)
        """gRPC's own, for stubs of other services."""
        self.stubs = Stubs(self.channel)
        """The API as it is: messages in, messages out, gRPC's errors."""
        self._symbolicate = find_raw_symbolicate(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def with_token(self, token: str) -> Self:
        """Return a client that sends a token with each call, by the same connection.

        For who speaks for several callers; the connection is to have no token of its own. Closing
        either closes both. Raises `InvalidCredentialsError` for what is no token; gRPC refuses
        calls that would take it away from this machine without TLS.
        """
        return self._with_options(replace(self._options, credentials=call_credentials(token)))

    def _with_metadata(self, *metadata: tuple[str, str]) -> Self:
        """Return a client that sends metadata with each call, by the same connection."""
        return self._with_options(replace(self._options, metadata=metadata))

    def _with_options(self, options: CallOptions) -> Self:
        other = copy.copy(self)
        other._options = options  # noqa: SLF001 # one of its own class
        return other

    def close(self) -> None:
        """Close the connection; calls in flight, and later ones, raise `ClosedError`."""
        self._connection.is_closed = True
        self.channel.close()

    def symbolicate(
        self,
        modules: Sequence[Module],
        stacks: Sequence[Sequence[Frame]],
        max_wait: float | None = None,
        *,
        with_diagnostics: bool = False,
        timeout: float | None = None,
        request_id: str | None = None,
    ) -> Symbolication:
        """Return what is known of each frame of the stacks.

        `max_wait` is how many seconds to wait for modules that are not ready: `None` until
        shortly before the deadline, 0 not at all. `timeout` replaces the client's own. More
        frames than a call should have are asked in several calls at a time, unless
        diagnostics are wanted, which belong to one. `request_id` names the call in the
        server's log.
        """
        options = self._options.choose(timeout, request_id)
        packer = choose_packer(max_wait, with_diagnostics=with_diagnostics)
        batches = pack([Report(modules, stacks)], packer)
        ((result,),) = self._answer(batches, packer, options)
        return result.symbolication()

    def symbolicate_batch(
        self,
        reports: Iterable[Report],
        max_wait: float | None = None,
        *,
        timeout: float | None = None,
    ) -> tuple[Symbolication, ...]:
        """Return the answer to each report, in their order; raise the first error.

        Reports are put together and divided so that each call has a good size; several calls
        are under way at a time. `timeout` is the deadline of each. An error names the report
        by its position.
        """
        results = self.symbolicate_many(reports, max_wait, timeout=timeout)
        return tuple(symbolication_of(n, result) for n, result in enumerate(results))

    def symbolicate_many(
        self,
        reports: Iterable[ReportT],
        max_wait: float | None = None,
        *,
        with_diagnostics: bool = False,
        remember_seconds: float = 0,
        timeout: float | None = None,
        progress: Tell | None = None,
    ) -> Iterator[ReportResult[ReportT]]:
        """Yield what becomes of each report, in their order, however many there are.

        As many are held as are in the calls under way. What is wrong with one report is in its
        result; what all would meet, such as a server that cannot be reached, is raised.
        `progress` is told after each call. With diagnostics each report has a call of its own.

        For `remember_seconds` a frame of a module that was found is not asked again, however many
        of the reports have it; at most 48 MiB are remembered, until the last result. 0 asks for
        each. Has no effect on reports with diagnostics.
        """
        count = Count(progress)
        options = self._options.choose(timeout)
        packer = choose_packer(
            max_wait, with_diagnostics=with_diagnostics, remember_seconds=remember_seconds
        )
        batches = pack(reports, packer)
        for results in self._answer(batches, packer, options):
            yield from results
            count.add(results)

    def get_module(
        self, debug_file: str, debug_id: str, *, timeout: float | None = None
    ) -> ModuleInfo:
        """Return what is known of a module; starts no work."""
        return self._ask(calls.get_module(debug_file, debug_id), timeout)

    def prefetch_modules(
        self, modules: Sequence[Module], *, timeout: float | None = None
    ) -> tuple[ModuleResult, ...]:
        """Ask for modules before anybody needs them; return what became of each.

        Found: it is there already; pending: its ingest is on the queue; else the failure that
        is remembered.
        """
        return self._ask(calls.prefetch_modules(modules), timeout)

    def invalidate_modules(
        self, modules: Sequence[Module], *, timeout: float | None = None
    ) -> tuple[ModuleOutcome, ...]:
        """Forget modules on all servers, within a second; return what each was before."""
        return self._ask(calls.invalidate_modules(modules), timeout)

    def list_missing_modules(
        self, limit: int = 0, *, timeout: float | None = None
    ) -> MissingModules:
        """Return the modules that were asked for and nobody has, most wanted first.

        At most `limit` of them; 0 leaves the number to the server (100).
        """
        return self._ask(calls.list_missing_modules(limit), timeout)

    def get_queue(self, *, timeout: float | None = None) -> Queue:
        """Return what waits to be ingested, and what is being ingested by which worker."""
        return self._ask(calls.get_queue(), timeout)

    def explain_frame(
        self,
        debug_file: str,
        debug_id: str,
        module_offset: int,
        *,
        is_return_address: bool = False,
        ranges_around: int = 0,
        timeout: float | None = None,
    ) -> Explanation:
        """Return everything that leads to the answer for one frame; starts no work.

        `ranges_around` is how many ranges to tell on either side; 0 leaves it to the server (3).
        """
        call = calls.explain_frame(
            debug_file, debug_id, module_offset, is_return_address, ranges_around
        )
        return self._ask(call, timeout)

    def get_store_info(self, *, timeout: float | None = None) -> StoreInfo:
        """Return the state of the Redis servers and of the answering server's own tiers."""
        return self._ask(calls.get_store_info(), timeout)

    def is_serving(self, service: str = "", *, timeout: float | None = None) -> bool:
        """Return whether the server, or one of its services, says that it serves."""
        return self._ask(calls.is_serving(service), timeout)

    def _ask(self, call: Call[T], timeout: float | None) -> T:
        method = call.find_method(self)
        options = self._options.choose(timeout)
        with self._connection.translating_errors():
            answer = method(call.request, **options)
        return call.decode(answer)

    def _answer(
        self,
        batches: Iterable[Batch[ReportT]],
        packer: Packer[ReportT],
        options: dict[str, Any],
    ) -> Iterator[list[ReportResult[ReportT]]]:
        """Yield the results of each batch, with several calls under way."""
        started: deque[tuple[Batch[ReportT], list[Any]]] = deque()
        try:
            for batch in batches:
                started.append((batch, self._start(batch, options)))
                while must_finish(started):
                    yield self._finish(*started.popleft(), packer, options)
            while started:
                yield self._finish(*started.popleft(), packer, options)
        finally:
            for _, futures in started:
                for future in futures:
                    future.cancel()

    def _start(self, batch: Batch[ReportT], options: dict[str, Any]) -> list[Any]:
        with self._connection.translating_errors():
            return [self._symbolicate.future(request, **options) for request in batch.requests]

    def _finish(
        self,
        batch: Batch[ReportT],
        futures: list[Any],
        packer: Packer[ReportT],
        options: dict[str, Any],
    ) -> list[ReportResult[ReportT]]:
        """Return the results of a batch; where one report may be to blame, ask for each alone."""
        try:
            each_call = enumerate(futures)
            return pair(batch, [self._wait(future, batch, number) for number, future in each_call])
        except OWN_ERRORS as error:
            smaller = packer.take_apart(batch)
            if not smaller:
                return [ReportResult(batch.reports[0], error)]
        again = self._answer(smaller, packer, options)
        return [result for results in again for result in results]

    def _wait(self, future: Any, batch: Batch[Any], number: int) -> Any:
        try:
            with self._connection.translating_errors():
                return future.result()
        except InvalidRequestError as error:
            raise name_fields(batch, number, error) from error.__cause__
