"""Makes calls and times them: `python -m tests.bench.world.caller_program`, which is given orders.

Each line of input is an order in JSON, each line of output its answer. Requests and answers
are bytes in files: the same client, doing the same work, calls every server. It keeps memory
that it has freed: else it has to get that of answers over 32 MiB anew from the system, each time,
which takes as long as everything else that it does, and grows by leaps.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate, cycle, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import grpc

from symbolon_server.app.process.heap import keep_freed_memory
from tests.bench.world.http_calls import HttpConnection

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_TIMEOUT_SECONDS = 180.0


@cache
def _channel(target: str) -> grpc.Channel:
    return grpc.insecure_channel(target, options=_OPTIONS)


@cache
def _stub(target: str, method: str) -> Callable[..., bytes]:
    return _channel(target).unary_unary(method)


def call(order: dict[str, Any]) -> dict[str, Any]:
    """Make one call, write its answer where the order says, and return how long it took."""
    request = Path(order["request"]).read_bytes()
    stub = _stub(order["target"], order["method"])
    start = perf_counter()
    answer = stub(request, timeout=_TIMEOUT_SECONDS)
    seconds = perf_counter() - start
    Path(order["answer"]).write_bytes(answer)
    return {"seconds": seconds}


def load(order: dict[str, Any]) -> dict[str, Any]:
    """Keep a server busy with one request, from several threads; return every call's seconds.

    Each thread makes a call, be the time over before the system lets it begin.
    """
    request = Path(order["request"]).read_bytes()
    stub = _stub(order["target"], order["method"])
    seconds: list[float] = []
    end = perf_counter() + order["seconds"]

    def run() -> None:
        taken: list[float] = []
        while (start := perf_counter()) < end or not taken:
            stub(request, timeout=_TIMEOUT_SECONDS)
            taken.append(perf_counter() - start)
        seconds.extend(taken)

    stub(request, timeout=_TIMEOUT_SECONDS)
    start = perf_counter()
    end = start + order["seconds"]
    _in_threads(run, order["callers"])
    return {"elapsed": perf_counter() - start, "seconds": seconds}


def each(order: dict[str, Any]) -> dict[str, Any]:
    """Make each of several calls once, from several threads; return how long all of them took.

    A file has the requests one after another; the order says how long each is.
    """
    requests = iter(_cut(order))
    stub = _stub(order["target"], order["method"])
    answers: list[int] = []

    def run() -> None:
        # Each step through `requests` is atomic.
        answers.extend([len(stub(request, timeout=_TIMEOUT_SECONDS)) for request in requests])

    start = perf_counter()
    _in_threads(run, order["callers"])
    return {"elapsed": perf_counter() - start, "bytes": sum(answers)}


def post(order: dict[str, Any]) -> dict[str, Any]:
    """Keep a gateway busy with bodies in turn, from several connections; return as `load` does.

    A file has the bodies one after another; the order says how long each is. Without `seconds` each
    is sent once.
    """
    bodies = _cut(order)
    turns = iter(bodies) if order["seconds"] is None else cycle(bodies)
    seconds: list[float] = []
    answered: list[int] = []
    end = perf_counter() + (order["seconds"] or _TIMEOUT_SECONDS)

    def run() -> None:
        taken: list[float] = []
        with HttpConnection(order["address"], order["path"]) as connection:
            for body in turns:  # each step is atomic
                start = perf_counter()
                answered.append(len(connection.call(body)))
                taken.append(perf_counter() - start)
                if start >= end:
                    break
        seconds.extend(taken)

    start = perf_counter()
    _in_threads(run, order["callers"])
    return {
        "elapsed": perf_counter() - start,
        "seconds": seconds,
        "bytes": sum(answered),
    }


def stream(order: dict[str, Any]) -> dict[str, Any]:
    """Keep a server busy with one request over several streams; return the answers it gave.

    Each stream has so many requests without an answer at a time.
    """
    request = Path(order["request"]).read_bytes()
    method: Any = _channel(order["target"]).stream_stream(order["method"])
    answers: list[int] = []
    end = perf_counter() + order["seconds"]

    def run() -> None:
        may_send = threading.Semaphore(order["unanswered"])

        def requests() -> Iterator[bytes]:
            while perf_counter() < end:
                may_send.acquire()
                yield request

        count = 0
        for _ in method(requests(), timeout=_TIMEOUT_SECONDS):
            may_send.release()
            count += 1
        answers.append(count)

    start = perf_counter()
    _in_threads(run, order["streams"])
    return {"elapsed": perf_counter() - start, "answers": sum(answers)}


def _cut(order: dict[str, Any]) -> list[bytes]:
    data = Path(order["request"]).read_bytes()
    ends = list(accumulate(order["lengths"], initial=0))
    return [data[start:end] for start, end in pairwise(ends)]


def _in_threads(run: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


_ORDERS = {"call": call, "each": each, "load": load, "post": post, "stream": stream}


def main() -> None:
    """Follow orders until the end of the input."""
    keep_freed_memory()
    for line in sys.stdin:
        order = json.loads(line)
        answer = _ORDERS[order["do"]](order)
        print(json.dumps(answer), flush=True)  # noqa: T201 - read by whoever gave the order


if __name__ == "__main__":
    main()
