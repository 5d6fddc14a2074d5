"""What liveness and readiness probes see of real servers and workers."""

import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from symbolon import Client, Frame, Module
from symbolon_server.redis_servers.embedded import EmbeddedRedis
from tests.app.conftest import PATIENCE_SECONDS, StartProgram, wait_until
from tests.app.test_serve_command import ORCHARD
from tests.fixtures.scraping import find_address


def probe(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode().strip()


@pytest.mark.promise("A server that drains is live and not ready")
@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_server_that_finishes_its_calls_is_live_and_not_ready(
    serve: StartProgram, redis_store_url: str, redis_cache_url: str, processes: str
) -> None:
    program = serve(
        "--no-worker",
        store_url=redis_store_url,
        cache_url=redis_cache_url,
        metrics_listen="127.0.0.1:0",
        processes=processes,
        shutdown_grace_seconds="4",
    )
    target = program.await_address()
    address = find_address(program)
    assert probe(address, "/livez") == (200, "live")
    assert probe(address, "/readyz") == (200, "ready")
    with Client(target, timeout=60) as client, ThreadPoolExecutor(1) as pool:
        waits = Module(f"waits{processes}.pdb", ORCHARD)
        waiting = pool.submit(client.symbolicate, [waits], [[Frame(0, 1)]])
        wait_until(lambda: client.get_store_info().queued_modules > 0)
        program.process.send_signal(signal.SIGTERM)
        wait_until(lambda: probe(address, "/readyz") == (503, "not ready: stopping"))
        assert probe(address, "/livez") == (200, "live")
        assert not waiting.done()
        waiting.result(60)
    assert program.process.wait(PATIENCE_SECONDS) == 0


def test_a_worker_is_ready_while_it_reaches_its_cache_and_live_all_the_time(
    start: StartProgram, redis_store_url: str
) -> None:
    with EmbeddedRedis.start("cache.conf") as cache:
        worker = start(
            "worker",
            store_url=redis_store_url,
            cache_url=cache.url,
            metrics_listen="127.0.0.1:0",
        )
        address = find_address(worker)
        assert probe(address, "/livez") == (200, "live")
        wait_until(lambda: probe(address, "/readyz") == (200, "ready"))
    wait_until(
        lambda: probe(address, "/readyz") == (503, "not ready: worker: cannot reach the cache")
    )
    assert probe(address, "/livez") == (200, "live")
    assert worker.end(signal.SIGTERM) == 0
