"""The blocking client: calls that return typed results."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from threading import Thread
from typing import Any, Final, Self, TypeVar

import grpc

import symbolon
from symbolon._batching.batches import OWN_ERRORS, Batch, must_finish, name_fields, pair
from symbolon._batching.in_turn import CallsInTurn
from symbolon._batching.packers import Packer, choose_packer, pack
from symbolon._batching.progress import Count, Tell
from symbolon._calling import calls
from symbolon._calling.calls import Call
from symbolon._calling.channels import (
    Stubs,
    find_encoded_symbolicate,
    find_raw_symbolicate,
    open_channel,
)
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

_INTERRUPTED_CLOSE_SECONDS: Final = 1.0
"""How long an interrupted program waits for its connection to close; it takes milliseconds."""

T = TypeVar("T")
ReportT = TypeVar("ReportT", bound=AnyReport)


class Client:
    """A connection to one server or several. Thread-safe.

    Every call has a deadline, and raises only `SymbolonError` and its subclasses. gRPC retries
    calls that are safe to repeat, within their deadline, if the server is unreachable or full.
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
        """Prepare the connection, which is made with the first call.

        A target without a port gets the default port, 50051. Calls are spread over several targets,
        each of which must be an IP address, or over the addresses of one name. Raises
        `InvalidTargetError`, which is also a `ValueError`. `timeout` is each call's deadline in
        seconds; with `wait_for_ready` a call waits that long for an unreachable server; `options`
        are gRPC's channel options.

        With `credentials` (`grpc.ssl_channel_credentials`, with key and certificate if the server
        requires a client certificate) the connection uses TLS. The `token` is sent with each call,
        stripped of white space; raises `InvalidCredentialsError` if it would leave this machine
        without TLS.

        With `tracing` each call is a span of the program's OpenTelemetry, and the server is told to
        continue the trace; this needs the extra `tracing`.
        """
        joined = join_targets(target)
        self._connection = Connection(joined)
        self._options = CallOptions(timeout, wait_for_ready)
        self.channel = open_channel(joined, credentials, options, token, tracing=tracing)
        """gRPC's channel, for stubs of other services."""
        self.stubs = Stubs(self.channel)
        """The generated API: messages in, messages out, gRPC's errors."""
        self._symbolicate = find_raw_symbolicate(self.channel)
        self._symbolicate_encoded = find_encoded_symbolicate(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, KeyboardInterrupt):
            self.close()
            return
        # Raised while gRPC began a call, it left that call to no thread: closing waits for ever.
        closing = Thread(target=self.close, name="close", daemon=True)
        closing.start()
        closing.join(_INTERRUPTED_CLOSE_SECONDS)

    def with_token(self, token: str) -> Self:
        """Return a client that sends this token with each call, over the same connection.

        Use it to call on behalf of several callers; this client must have no token of its own.
        Closing either closes both. Raises `InvalidCredentialsError` for a malformed token; gRPC
        refuses calls that would send it to another machine without TLS.
        """
        return self._with_options(self._options._replace(credentials=call_credentials(token)))

    def _with_metadata(self, *metadata: tuple[str, str]) -> Self:
        """Return a client that sends metadata with each call, over the same connection."""
        return self._with_options(self._options._replace(metadata=metadata))

    def _with_options(self, options: CallOptions) -> Self:
        other = copy.copy(self)
        other._options = options  # noqa: SLF001 # of the same class
        return other

    def close(self) -> None:
        """Close the connection; calls in flight and later ones raise `ClosedError`."""
        self._connection.is_closed = True
        self.channel.close()

    def symbolicate(
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
        """Return the symbolicated frames of the stacks.

        `max_wait` is how many seconds to wait for modules that are not ready: `None` until shortly
        before the deadline, 0 not at all. `timeout` overrides the client's own. Large reports are
        divided among several concurrent calls, except with diagnostics, which belong to one call.
        `with_linkage_names` also returns the names that the modules' files have, mangled ones say;
        the first such request has a module ingested once more.
        `request_id` identifies the call in the server's log.
        """
        options = self._options.choose(timeout, request_id)
        packer = choose_packer(
            max_wait, with_diagnostics=with_diagnostics, with_linkage_names=with_linkage_names
        )
        batches = pack([Report(modules, stacks)], packer)
        ((result,),) = self._answer(batches, packer, options)
        return result.symbolication()

    def symbolicate_batch(
        self,
        reports: Iterable[Report],
        max_wait: float | None = None,
        *,
        with_linkage_names: bool = False,
        timeout: float | None = None,
    ) -> tuple[Symbolication, ...]:
        """Return the answer to each report, in their order; raise the first error.

        Small reports share calls, large ones are divided, and several calls are in flight at a
        time. `timeout` is the deadline of each call. An error names the report by its position.
        """
        results = self.symbolicate_many(
            reports, max_wait, with_linkage_names=with_linkage_names, timeout=timeout
        )
        return tuple(symbolication_of(n, result) for n, result in enumerate(results))

    def symbolicate_many(
        self,
        reports: Iterable[ReportT],
        max_wait: float | None = None,
        *,
        with_diagnostics: bool = False,
        with_linkage_names: bool = False,
        remember_seconds: float = 0,
        timeout: float | None = None,
        progress: Tell | None = None,
    ) -> Iterator[ReportResult[ReportT]]:
        """Yield the result of each report, in their order, for any number of reports.

        Only the reports of the calls in flight are held in memory. An error of one report is in its
        result; one that would fail all of them, such as an unreachable server, is raised.
        `progress` is called after each call. With diagnostics each report has a call of its own.

        Within `remember_seconds` each frame of a module that was found is requested once, however
        many reports have it; at most 48 MiB are remembered, until the last result. 0 requests every
        frame. It does not apply to reports with diagnostics.
        """
        count = Count(progress)
        options = self._options.choose(timeout)
        packer = choose_packer(
            max_wait,
            with_diagnostics=with_diagnostics,
            with_linkage_names=with_linkage_names,
            remember_seconds=remember_seconds,
        )
        batches = pack(reports, packer)
        for results in self._answer(batches, packer, options):
            yield from results
            count.add(results)

    def get_module(
        self,
        debug_file: str,
        debug_id: str,
        *,
        code_file: str = "",
        code_id: str = "",
        timeout: float | None = None,
    ) -> ModuleInfo:
        """Return what is known of a module, named as in a `Module`. Starts no ingest."""
        module = Module(debug_file, debug_id, code_file, code_id)
        return self._ask(calls.get_module(module), timeout)

    def prefetch_modules(
        self, modules: Sequence[Module], *, timeout: float | None = None
    ) -> tuple[ModuleResult, ...]:
        """Queue modules for ingest before they are needed; return the result for each.

        Found: it is stored already; pending: it is in the queue; else the failure that the server
        remembers.
        """
        return self._ask(calls.prefetch_modules(modules), timeout)

    def invalidate_modules(
        self, modules: Sequence[Module], *, timeout: float | None = None
    ) -> tuple[ModuleOutcome, ...]:
        """Invalidate modules on all servers within a second; return their previous outcomes."""
        return self._ask(calls.invalidate_modules(modules), timeout)

    def list_missing_modules(
        self, limit: int = 0, *, timeout: float | None = None
    ) -> MissingModules:
        """Return the modules that were requested and no supplier has, most requested first.

        At most `limit` of them; 0 means the server's default (100).
        """
        return self._ask(calls.list_missing_modules(limit), timeout)

    def get_queue(self, *, timeout: float | None = None) -> Queue:
        """Return how many modules wait for ingest, and which worker ingests which module."""
        return self._ask(calls.get_queue(), timeout)

    def explain_frame(
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
        """Return everything that leads to the answer for one frame. Starts no ingest.

        `ranges_around` is how many ranges to return on either side; 0 means the server's default
        (3). With `with_linkage_names`, the answer to requests for them is explained, which comes
        from pages that are not known before the first such request.
        """
        module = Module(debug_file, debug_id, code_file, code_id)
        call = calls.explain_frame(
            module, module_offset, is_return_address, ranges_around, with_linkage_names
        )
        return self._ask(call, timeout)

    def get_store_info(self, *, timeout: float | None = None) -> StoreInfo:
        """Return the state of both Redis servers and of the answering server's own tiers."""
        return self._ask(calls.get_store_info(), timeout)

    def is_serving(self, service: str = "", *, timeout: float | None = None) -> bool:
        """Return the result of the health check of the server, or of one of its services."""
        return self._ask(calls.is_serving(service), timeout)

    def _ask(self, call: Call[T], timeout: float | None) -> T:
        method = call.find_method(self)
        options = self._options.choose(timeout)
        with self._connection.translating_errors():
            answer = method(call.request, **options)
        return call.decode(answer)

    async def _ask_encoded(self, request: bytes, timeout: float) -> bytes:
        """Return the encoded response to an encoded `SymbolicateRequest`.

        It is for the HTTP gateway: a call of `grpc.aio` cannot share its connections, and a thread
        that waits for each call costs as much as the call.
        """
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        with self._connection.translating_errors():
            call = self._symbolicate_encoded.future(request, **self._options.choose(timeout))
            call.add_done_callback(lambda _: loop.call_soon_threadsafe(_end, done))
            try:
                await done
            except asyncio.CancelledError:
                call.cancel()
                raise
            response: bytes = call.result()
        return response

    def _answer(
        self,
        batches: Iterable[Batch[ReportT]],
        packer: Packer[ReportT],
        options: dict[str, Any],
    ) -> Iterator[list[ReportResult[ReportT]]]:
        """Yield the results of each batch, with several calls in flight."""
        started: deque[tuple[Batch[ReportT], CallsInTurn]] = deque()
        try:
            for batch in batches:
                started.append((batch, self._start(batch, options)))
                while must_finish(started):
                    yield self._finish(*started.popleft(), packer, options)
            while started:
                yield self._finish(*started.popleft(), packer, options)
        finally:
            for _, calls in started:
                calls.cancel()

    def _start(self, batch: Batch[ReportT], options: dict[str, Any]) -> CallsInTurn:
        def start(request: RawRequest, timeout: float) -> Any:
            with self._connection.translating_errors():
                return self._symbolicate.future(request, **{**options, "timeout": timeout})

        return CallsInTurn(batch.requests, start, options["timeout"])

    def _finish(
        self,
        batch: Batch[ReportT],
        calls: CallsInTurn,
        packer: Packer[ReportT],
        options: dict[str, Any],
    ) -> list[ReportResult[ReportT]]:
        """Return the results of a batch; if one report may have failed it, send each alone."""
        try:
            each_call = enumerate(calls.futures())
            return pair(batch, [self._wait(future, batch, number) for number, future in each_call])
        except OWN_ERRORS as error:
            smaller = packer.take_apart(batch)
            if not smaller:
                return [ReportResult(batch.reports[0], error)]
        finally:
            calls.cancel()
        again = self._answer(smaller, packer, options)
        return [result for results in again for result in results]

    def _wait(self, future: Any, batch: Batch[Any], number: int) -> Any:
        try:
            with self._connection.translating_errors():
                return future.result()
        except InvalidRequestError as error:
            raise name_fields(batch, number, error) from error.__cause__


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
