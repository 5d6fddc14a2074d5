"""Workers that are killed at any moment of an ingest: what is seen of their modules meanwhile."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Self

import pytest
import redis

from symbolon_server.redis_servers.keys import page_key
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.directory import decode_directory
from tests.app.conftest import wait_until
from tests.ingest.working.workers import WorkerStarter
from tests.system.conftest import Site
from tests.system.known_modules import SPACING, Question, known_modules, unanswered_in

KILLS = 3
LEASE_SECONDS = 1.0
MODULES = known_modules(range(6), functions=8_000)


class Watch:
    """Looks at the store all the time for a directory whose pages are not all there."""

    def __init__(self, store: redis.Redis, module_ids: list[ModuleId]) -> None:
        self.half_written: list[ModuleId] = []
        self.looks = 0
        self._store = store
        self._module_ids = module_ids
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._is_over.wait(0.005):
            self.half_written += filter(self._is_half_written, self._module_ids)
            self.looks += 1

    def _is_half_written(self, module_id: ModuleId) -> bool:
        [data] = RedisPageStore(self._store).get_directories([module_id])
        if data is None:
            return False
        directory = decode_directory(module_id, data)
        keys = [
            page_key(PageKey(module_id, directory.generation, number))
            for number in range(directory.stored_count)
        ]
        return self._store.exists(*keys) != len(keys)


@pytest.fixture
def workers(site: Site, tmp_path: Path) -> WorkerStarter:
    """Workers whose jobs are free again soon after their death."""
    urls = site.pair.settings()
    return WorkerStarter(
        urls["cache_url"], urls["store_url"], site.supplier.url, tmp_path / "workers"
    )


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    with Watch(site.store, [module.module_id for module in MODULES]) as watch:
        yield watch


def kill_during_an_ingest(site: Site, workers: WorkerStarter, seconds: float) -> None:
    """Run a worker and kill it so many seconds after it has begun to fetch something."""
    gets = site.supplier.get_count
    with workers.run(lease_seconds=LEASE_SECONDS) as worker:
        site.supplier.wait_for_gets(gets + 1)
        with suppress(subprocess.TimeoutExpired):
            worker.process.wait(seconds)
        worker.process.kill()


@pytest.mark.promise("A half-written module is never visible", group="pages")
def test_workers_killed_at_any_moment_leave_no_half_written_module_and_lose_none(
    site: Site, workers: WorkerStarter, watch: Watch
) -> None:
    random = Random("kills")
    question = Question(MODULES, [[0, 999 * SPACING]] * len(MODULES))
    for module in MODULES:
        site.supplier.put(module.module_id, module.symbol_file())
    client = site.new_client(spool_bytes="0")
    client.symbolicate(*question.request(), max_wait=0)
    for _ in range(KILLS):
        kill_during_an_ingest(site, workers, random.uniform(0.0, 0.3))

    def is_answered() -> bool:
        answer = client.symbolicate(*question.request(), max_wait=5)
        assert question.wrong_in(answer) == []
        return unanswered_in(answer) == 0

    with workers.run(lease_seconds=LEASE_SECONDS):
        wait_until(is_answered)
    assert watch.half_written == []
    assert watch.looks > 100
