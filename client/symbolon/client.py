"""The client: one server, calls that return typed results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from symbolon import health, wire
from symbolon.channels import open_channel
from symbolon.reports import Frame, Module
from symbolon.results import ModuleInfo, StoreInfo, Symbolication
from symbolon.rpc_errors import translate
from symbolon.v1 import (
    module_service_pb2,
    module_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
    symbolication_service_pb2_grpc,
)

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 30.0

T = TypeVar("T")


class Client:
    """A connection to a server; may be used by any number of threads.

    Every call has a deadline, and raises only `SymbolonError` and its subclasses. Calls that
    change nothing are tried again by gRPC, within their deadline, when the server cannot be
    reached or is full.
    """

    def __init__(
        self,
        target: str = DEFAULT_TARGET,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        wait_for_ready: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
        token: str | None = None,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Connect when the first call is made.

        `timeout` is each call's deadline in seconds; `wait_for_ready` waits that long for a
        server that is not there yet; `options` are gRPC's channel options.

        The connection is encrypted with `credentials` (`grpc.ssl_channel_credentials`, with key
        and certificate where the server wants to know its clients). The `token` is sent with
        each call; raises `InvalidCredentialsError` where it would leave this machine
        without TLS.
        """
        self._target = target
        self._timeout = timeout
        self._wait_for_ready = wait_for_ready
        self._channel = open_channel(target, credentials, options, token)
        self._symbolication = symbolication_service_pb2_grpc.SymbolicationServiceStub(self._channel)
        self._modules = module_service_pb2_grpc.ModuleServiceStub(self._channel)
        self._stores = store_service_pb2_grpc.StoreServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def symbolicate(
        self,
        modules: Sequence[Module],
        stacks: Sequence[Sequence[Frame]],
        max_wait: float | None = None,
        *,
        with_diagnostics: bool = False,
        timeout: float | None = None,
    ) -> Symbolication:
        """Return what is known of each frame of the stacks.

        `max_wait` is how many seconds to wait for modules that are not ready: `None` until
        shortly before the deadline, 0 not at all. `timeout` replaces the client's own.
        """
        request = wire.encode_request(modules, stacks, max_wait, with_diagnostics)
        response = self._call(self._symbolication.Symbolicate, request, timeout)
        return wire.decode_response(response)

    def get_module(
        self, debug_file: str, debug_id: str, *, timeout: float | None = None
    ) -> ModuleInfo:
        """Return what is known of a module; starts no work."""
        module = wire.encode_module(Module(debug_file, debug_id))
        request = module_service_pb2.GetModuleRequest(module=module)
        return wire.decode_module_info(self._call(self._modules.GetModule, request, timeout))

    def get_store_info(self, *, timeout: float | None = None) -> StoreInfo:
        """Return the state of the Redis servers and of the answering server's own tiers."""
        request = store_service_pb2.GetStoreInfoRequest()
        return wire.decode_store_info(self._call(self._stores.GetStoreInfo, request, timeout))

    def is_serving(self, service: str = "", *, timeout: float | None = None) -> bool:
        """Return whether the server, or one of its services, says that it serves."""
        try:
            return health.is_serving(self._channel, service, self._choose_timeout(timeout))
        except grpc.RpcError as error:
            raise translate(error, self._target) from error

    def _call(self, method: Callable[..., T], request: object, timeout: float | None) -> T:
        """Return the response; the only place where gRPC's errors become ours."""
        seconds = self._choose_timeout(timeout)
        try:
            return method(request, timeout=seconds, wait_for_ready=self._wait_for_ready)
        except grpc.RpcError as error:
            raise translate(error, self._target) from error

    def _choose_timeout(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout
