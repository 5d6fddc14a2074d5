"""What others write into the Redis servers, and answers of another kind than what was asked for."""

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Final

import pytest

from symbolon import Client, ModuleOutcome, ServerUnreachableError
from tests.app.conftest import PATIENCE_SECONDS, Program, wait_until
from tests.system.conftest import SMALL_MEMORY, Site
from tests.system.known_modules import KnownModule, Question, known_modules
from tests.system.redis.redis_proxy import RedisProxy

VALUES: Final = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "deep record": b'{"kind": ' * 100_000,
    "lone surrogate": b'{"kind": "missing", "detail": "\\ud800", "attempts": 1, "seconds": 60}',
    "many digits": b'{"kind": "missing", "detail": "", "attempts": 1%s, "seconds": 60}'
    % (b"0" * 22),
    "infinity": b'{"kind": "missing", "detail": "", "attempts": Infinity, "seconds": Infinity}',
    "another record": b'{"attempts": [{"supplier": {}}], "ended_at": 1e400, "seconds": "x"}',
    "a list": b'["missing"]',
}

LIES: Final = {
    "status": b"+OK\r\n",
    "number": b":7\r\n",
    "large number": b":9223372036854775807\r\n",
    "text": b"$3\r\nabc\r\n",
    "nothing": b"$-1\r\n",
    "no list": b"*-1\r\n",
    "empty list": b"*0\r\n",
    "short list": b"*1\r\n$1\r\n\xff\r\n",
    "list of lists": b"*2\r\n*1\r\n:1\r\n*0\r\n",
}

NUMBERS = count(1_000)


@pytest.fixture(scope="module")
def proxies(shared_site: Site) -> dict[str, RedisProxy]:
    return {role: shared_site.pair.put_proxy_before(role) for role in ("store", "cache")}


@pytest.fixture(scope="module")
def modules(shared_site: Site) -> list[KnownModule]:
    modules = known_modules(range(4), functions=200)
    for module in modules:
        shared_site.supplier.put(module.module_id, module.symbol_file())
    return modules


@pytest.fixture(scope="module")
def server(shared_site: Site, proxies: dict[str, RedisProxy]) -> Iterator[Program]:
    del proxies
    shared_site.work()
    server = shared_site.serve(spool_bytes="0", **SMALL_MEMORY)
    yield server
    assert "Traceback" not in server.log
    assert "call_failed" not in server.log


@pytest.fixture(scope="module")
def client(server: Program) -> Iterator[Client]:
    """A client that tries no call again."""
    options = [("grpc.enable_retries", 0)]
    with Client(server.await_address(), timeout=PATIENCE_SECONDS, options=options) as client:
        yield client


def calls_of(client: Client, question: Question) -> list[Callable[[], object]]:
    modules, stacks = question.request()
    first = question.modules[0].module_id
    return [
        lambda: client.symbolicate(modules, stacks, max_wait=0.2),
        lambda: client.get_module(first.debug_file, first.debug_id),
        lambda: client.explain_frame(first.debug_file, first.debug_id, 0),
        client.list_missing_modules,
        client.get_store_info,
        lambda: client.prefetch_modules(modules),
    ]


def call_all(client: Client, question: Question) -> None:
    """Make one call of each kind; that the cache is not there may be said, and nothing else."""
    for call in calls_of(client, question):
        with suppress(ServerUnreachableError):
            call()


def is_found(client: Client, module: KnownModule) -> bool:
    question = Question([module], [[0]])
    answer = client.symbolicate(*question.request())
    assert question.wrong_in(answer) == []
    return answer.modules[0].outcome is ModuleOutcome.FOUND


def new_module(site: Site) -> KnownModule:
    module = KnownModule(next(NUMBERS), 10)
    site.supplier.put(module.module_id, module.symbol_file())
    return module


@pytest.mark.promise("Foreign values and replies in either Redis fail no call and end no thread")
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_values_of_others_fail_no_call_and_keep_no_module_out(
    shared_site: Site, client: Client, value: bytes
) -> None:
    module = new_module(shared_site)
    name, cache = str(module.module_id), shared_site.cache
    for key in (f"outcome:{name}", f"attempts:{name}", f"suppliers:{name}"):
        cache.set(key, value)
    for key in (f"symbol:{name}", f"page:{name}:1-a:0"):
        shared_site.store.set(key, value)
    named = name.encode()
    cache.zadd("missing:last_seen", {named: 1.0, value: math.inf})
    cache.hset("missing:seen", name, value)
    cache.hset("insertion", mapping=dict.fromkeys(("eviction_age", "log_scale", "again"), value))
    for key in (f"uses:{module.module_id.debug_file}", "insertion:bytes"):
        cache.set(key, value)
    cache.zadd("invalidated", {named: math.inf, value: 1.0})
    cache.publish("ingest:ended", value)
    cache.publish("modules:invalidated", value)
    call_all(client, Question([module], [[0]]))
    wait_until(lambda: is_found(client, module))


@pytest.mark.promise("Foreign values and replies in either Redis fail no call and end no thread")
@pytest.mark.parametrize(
    "key",
    [
        *("outcome:{}", "attempts:{}", "suppliers:{}", "missing:last_seen", "missing:seen"),
        *("uses:{0.debug_file}", "insertion", "insertion:asked", "insertion:ingested"),
        *("insertion:files", "insertion:bytes"),
    ],
)
def test_keys_of_another_type_fail_no_call(shared_site: Site, client: Client, key: str) -> None:
    module = KnownModule(next(NUMBERS), 10)  # no supplier has it
    shared_site.cache.delete(name := key.format(module.module_id))
    shared_site.cache.xadd(name, {"a": "b"})
    call_all(client, Question([module], [[0]]))
    shared_site.cache.delete(name)
    assert is_found(client, new_module(shared_site))


@pytest.mark.promise("Foreign values and replies in either Redis fail no call and end no thread")
@pytest.mark.parametrize("role", ["store", "cache"])
@pytest.mark.parametrize("reply", LIES.values(), ids=LIES.keys())
def test_answers_of_another_kind_fail_no_call_and_end_no_thread(
    shared_site: Site,
    proxies: dict[str, RedisProxy],
    client: Client,
    modules: list[KnownModule],
    *,
    role: str,
    reply: bytes,
) -> None:
    wait_until(lambda: all(is_found(client, module) for module in modules))
    with proxies[role].lying(reply * 12):
        for _ in range(3):
            question = Question([*modules, KnownModule(next(NUMBERS), 10)], [[64]] * 5)
            call_all(client, question)
    wait_until(lambda: is_found(client, new_module(shared_site)))
