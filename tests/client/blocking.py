"""An `AsyncClient` with the interface of `Client`, so that one test covers both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from symbolon import AsyncClient


class BlockingClient:
    """Waits for each call of an asyncio client, in an event loop of its own."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._runner = asyncio.Runner()
        try:
            self._client = self._runner.run(make_client(*arguments, **named))
        except BaseException:
            self._runner.close()
            raise

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        return self._wrap(attribute) if inspect.ismethod(attribute) else attribute

    def wait_for(self, awaitable: Any) -> Any:
        """Return the result of an awaitable of the client's event loop."""
        return self._runner.run(wait_for(awaitable))

    def close_client(self) -> None:
        """Close the client alone."""
        self._runner.run(self._client.close())

    def close_from_a_thread(self) -> None:
        """Close the client while another thread waits for a call."""
        closing = asyncio.run_coroutine_threadsafe(self._client.close(), self._runner.get_loop())
        closing.result(20)

    def close(self) -> None:
        """Close the client and its event loop."""
        self.close_client()
        self._runner.close()

    def _wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            started = method(*arguments, **named)
            if isinstance(started, AsyncIterator):
                return self._iterate(started)
            return self._runner.run(wait_for(started))

        return call

    def _iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                yield self._runner.run(wait_for(anext(items)))
        except StopAsyncIteration:
            return
        finally:
            self._runner.run(items.aclose())  # type: ignore[attr-defined]  # ours is a generator


async def make_client(*arguments: Any, **named: Any) -> AsyncClient:
    return AsyncClient(*arguments, **named)


async def wait_for(awaitable: Any) -> Any:
    return await awaitable
