"""Workers on several hosts, each with a spool of its own."""

import signal
from pathlib import Path

import pytest
import redis

from tests.fixtures.symbol_server import SymbolServer, symbol_server
from tests.ingest.plant import Plant, plant
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.ingest.working.workers import WorkerStarter

__all__ = ["plant", "symbol_server"]

MODULES = [numbered_module(number) for number in range(12)]


@pytest.fixture
def starter(
    symbol_server: SymbolServer, redis_store_url: str, redis_cache_url: str, tmp_path: Path
) -> WorkerStarter:
    return WorkerStarter(redis_cache_url, redis_store_url, symbol_server.url, tmp_path / "workers")


@pytest.mark.promise("What the store evicted and any host's spool has is not fetched again")
def test_modules_in_the_spool_of_another_host_are_not_fetched_again(
    plant: Plant, redis_store: redis.Redis, tmp_path: Path
) -> None:
    for module_id in MODULES:
        plant.server.put(module_id, symbol_file(module_id))
    with plant.workers.run(spool=tmp_path / "one") as one:
        assert plant.load(*MODULES) == set(MODULES)
        with plant.workers.run(spool=tmp_path / "two") as two:
            two.wait_until_ready()
            for _ in range(2):  # what was handed on is handed on again
                redis_store.flushall()
                assert plant.load(*MODULES) == set(MODULES)
                assert all(map(plant.is_stored, MODULES))
            assert len(plant.server.gets) == len(MODULES)
            one.process.send_signal(signal.SIGKILL)
            one.process.wait()
            redis_store.flushall()
            assert plant.load(*MODULES) == set(MODULES)
            assert all(map(plant.is_stored, MODULES))
    assert len(plant.server.gets) == 2 * len(MODULES)
    assert len(list((tmp_path / "two").rglob("*.pages"))) == len(MODULES)
