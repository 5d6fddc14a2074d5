"""What the calls of a client meet: an error of this package, also when the client is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import grpc.aio

from symbolon._calling.rpc_errors import translate
from symbolon.errors import ClosedError


class Connection:
    """Where a client, and those that share its channel, connect to, and whether they still do."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.is_closed = False

    @contextmanager
    def translating_errors(self) -> Iterator[None]:
        """Raise errors of this package for those of gRPC and its asyncio twin."""
        try:
            yield
        except grpc.RpcError as error:
            if self.is_closed:
                raise self._closed() from error
            raise translate(error, self.target) from error
        except (ValueError, grpc.aio.UsageError) as error:
            # A channel that is closed raises these; what else would was refused before.
            raise self._closed() from error
        except asyncio.CancelledError as error:
            if not self.is_closed or _is_task_cancelled():
                raise
            raise self._closed() from error

    def _closed(self) -> ClosedError:
        return ClosedError(f"{self.target}: the client is closed")


def _is_task_cancelled() -> bool:
    """Return whether somebody cancelled the task itself, and not gRPC a call of it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
