"""Callers take turns: what one of them queues does not keep out another, through a real server."""

from pathlib import Path

from symbolon import Client, Frame, Module, ModuleOutcome
from symbolon_server.ingest.queueing.jobs import Band
from symbolon_server.ingest.queueing.queue import IngestQueue
from symbolon_server.ingest.queueing.scripts import JOB_PREFIX
from symbolon_server.rpc.access.tokens import hash_token
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, functions

MANY = 300
TOKENS = {"greedy": "a" * 64, "modest": "b" * 64}


def served(site: Site, folder: Path) -> str:
    """Return the address of a server that tells callers apart by their tokens."""
    lines = [f"{name} symbolicate,operate {hash_token(token)}" for name, token in TOKENS.items()]
    file = folder / "tokens"
    file.write_text("\n".join(lines))
    return site.serve(auth_tokens_file=str(file)).await_address()


def as_asked(module_id: ModuleId) -> Module:
    return Module(module_id.debug_file, module_id.debug_id)


def test_what_one_caller_queues_keeps_out_no_other(site: Site, tmp_path: Path) -> None:
    address = served(site, tmp_path)
    cold = [numbered_module(number) for number in range(MANY)]
    wanted = numbered_module(MANY)
    site.supplier.put(wanted, symbol_file(wanted))
    with (
        Client(address, token=TOKENS["greedy"]) as greedy,
        Client(address, token=TOKENS["modest"]) as modest,
    ):
        greedy.prefetch_modules(list(map(as_asked, cold[: MANY // 2])))
        for module_id in cold[MANY // 2 :]:
            greedy.symbolicate([as_asked(module_id)], [[Frame(0, 0)]], max_wait=0)
        queue = IngestQueue(site.cache)
        assert queue.get_lengths() == {
            Band.AWAITED: 0,
            Band.WANTED: MANY // 2,
            Band.PREFETCH: MANY // 2,
        }
        for module_id in (cold[0], cold[-1]):
            assert site.cache.hget(JOB_PREFIX + str(module_id), "caller") == b"greedy"
        site.work()
        answer = ask(modest, [(wanted, 0)])
        assert functions(answer) == ["function_0"]
        assert answer.modules[0].outcome is ModuleOutcome.FOUND
    first = [get.path for get in site.supplier.gets].index(site.supplier.path_of(wanted))
    # It goes before all that nobody waits for, but for what the worker had in hand.
    assert first <= 3
