"""A server with unexpected errors in its threads."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc

from symbolon_server.app.programs.server_process import ServerProcess
from symbolon_server.app.wiring import services
from symbolon_server.cache.invalidations import InvalidationLog
from symbolon_server.cache.keyed_cache import KeyedCache
from symbolon_server.cache.missing_modules import MissingTally
from symbolon_server.ingest.queueing.loader import ModuleLoader
from symbolon_server.settings import Settings, read_settings
from symbolon_server.symbolication.invalidator import Invalidator
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.telemetry import lasting_threads
from symbolon_server.telemetry.metrics import TIER_ENTRIES
from tests.app.conftest import wait_until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def settings(redis_store_url: str, redis_cache_url: str, tmp_path: Path) -> Settings:
    flags = {
        "listen": "127.0.0.1:0",
        "store_url": redis_store_url,
        "cache_url": redis_cache_url,
        "spool_dir": str(tmp_path),
    }
    return read_settings({}, {f"SYMBOLON_{name.upper()}": flags[name] for name in flags})


@pytest.fixture
def serve(settings: Settings) -> Iterator[Callable[[], tuple[ServerProcess, Any]]]:
    stops = list[Callable[[], None]]()

    def start() -> tuple[ServerProcess, Any]:
        process = ServerProcess(settings, is_port_shared=False)
        channel = grpc.insecure_channel(str(process.start()))
        stops.extend([channel.close, process.stop])
        return process, health_pb2_grpc.HealthStub(channel)

    yield start
    for stop in stops:
        stop()


def status(health: Any) -> int:
    return int(health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True).status)


def fail(*_: object) -> None:
    raise KeyError("a defect")


@pytest.mark.promise("An unexpected error ends no vital thread, or health turns NOT_SERVING")
@pytest.mark.parametrize(
    "broken",
    [(MissingTally, "flush"), (TIER_ENTRIES, "labels"), (ModuleLoader, "_look_again")],
)
def test_invalidations_arrive_even_if_another_callback_raises(
    serve: Callable[[], tuple[ServerProcess, Any]],
    redis_cache: redis.Redis,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    broken: tuple[object, str],
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(*broken, fail)
        process, health = serve()
        known = process._parts.tiers.invalidations
        log = InvalidationLog(KeyedCache(redis_cache))
        news = log.read_since(0, "")
        number = log.add([ModuleId("heard.pdb", "0" * 33)], news.epoch)
        wait_until(lambda: known.last >= number)
        wait_until(lambda: "thread_failed" in caplog.messages)
        assert status(health) == SERVING


@pytest.mark.promise("An unexpected error ends no vital thread, or health turns NOT_SERVING")
def test_a_server_follows_both_redis_servers_whose_names_lead_to_others(
    serve: Callable[[], tuple[ServerProcess, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    process, health = serve()
    followed = set[redis.Redis]()
    monkeypatch.setattr(services, "look_again", followed.add)
    monkeypatch.setattr(services, "follow_store", followed.add)
    wait_until(lambda: followed == {process._parts.cache_client, process._parts.store_client})
    assert status(health) == SERVING


def test_a_server_that_receives_no_invalidations_is_not_serving(
    serve: Callable[[], tuple[ServerProcess, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lasting_threads, "MOST_FAILURES", 2)
    _, health = serve()
    assert status(health) == SERVING
    with monkeypatch.context() as patched:
        patched.setattr(ModuleLoader, "_look_again", fail)
        patched.setattr(Invalidator, "_learn", fail)
        wait_until(lambda: status(health) == NOT_SERVING)
    wait_until(lambda: status(health) == SERVING)
