"""What operators do to the two Redis servers while Symbolon runs, and what then happens."""

import os
import subprocess
import sys
import time

import pytest

from symbolon import Client, ModuleOutcome
from symbolon_server.redis_servers.keys import directory_key
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import wait_until
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import Site, ask, diagnostics_of, functions

MANY = 8_000
LAST = (MANY - 1) * 32
MEGABYTE = 1 << 20


@pytest.fixture
def module_id(site: Site) -> ModuleId:
    """A module of several pages, at the supplier."""
    module_id = numbered_module(1)
    site.supplier.put(module_id, symbol_file(module_id, MANY))
    return module_id


@pytest.fixture
def client(site: Site) -> Client:
    """A client of a server that has a worker."""
    site.work()
    return site.new_client()


def command_line(site: Site, *command: str) -> list[str]:
    """Return the lines that `make redis-store-cli` prints for a command.

    For a list without entries redis-cli prints an empty one into a pipe.
    """
    settings = {f"SYMBOLON_{name.upper()}": url for name, url in site.pair.settings().items()}
    done = subprocess.run(
        [sys.executable, "-m", "symbolon_server.redis_servers.command_line", "store", *command],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line]


def test_the_command_line_lists_the_modules_held(
    site: Site, client: Client, module_id: ModuleId
) -> None:
    other = numbered_module(2)
    site.supplier.put(other, symbol_file(other))
    ask(client, [(module_id, 0), (other, 0)])
    listed = command_line(site, "keys", "symbol:*")
    assert sorted(listed) == [directory_key(module_id), directory_key(other)]
    assert command_line(site, "config", "get", "maxmemory") == ["maxmemory", str(500 * MEGABYTE)]


def test_a_limit_set_at_run_time_is_honoured_without_a_restart(
    site: Site, client: Client, module_id: ModuleId
) -> None:
    assert client.get_store_info().store.maxmemory_bytes > 100 * MEGABYTE
    command_line(site, "config", "set", "maxmemory", "100mb")
    info = client.get_store_info()
    assert (info.store.maxmemory_bytes, info.warnings) == (100 * MEGABYTE, ())
    for number in range(110):  # over the new limit, and far below the old one
        site.store.set(f"ballast:{number}", b"x" * MEGABYTE)
    assert functions(ask(client, [(module_id, LAST)])) == [f"function_{MANY - 1}"]
    answer = ask(client, [(module_id, 0)])
    assert functions(answer) == ["function_0"]
    assert diagnostics_of(answer).ingests == 0
    assert site.store.info("memory")["used_memory"] <= 100 * MEGABYTE


def test_a_store_that_evicts_everything_changes_no_answer(
    site: Site, client: Client, module_id: ModuleId
) -> None:
    ask(client, [(module_id, 0)])
    site.store.config_set("maxmemory", "3mb")
    for number in range(5_000):
        site.store.set(f"ballast:{number}", b"x" * 4096)
    assert site.store.info("stats")["evicted_keys"] > 0
    answer = ask(site.new_client(), [(module_id, 0), (module_id, LAST)])
    assert functions(answer) == ["function_0", f"function_{MANY - 1}"]
    assert len(site.supplier.gets) == 1


def test_a_store_set_up_wrongly_at_run_time_is_told(site: Site, client: Client) -> None:
    def warnings() -> str:
        return " ".join(client.get_store_info().warnings)

    site.store.config_set("maxmemory-policy", "noeviction")
    assert "maxmemory-policy noeviction and would reject new pages" in warnings()
    site.cache.config_set("maxmemory-policy", "allkeys-lru")
    assert "Store and cache are swapped" in warnings()
    site.store.config_set("maxmemory-policy", "allkeys-lru")
    assert "maxmemory-policy allkeys-lru and would lose queued work" in warnings()


def test_while_the_store_is_down_calls_are_answered(
    site: Site, client: Client, module_id: ModuleId
) -> None:
    ask(client, [(module_id, 0)])
    site.pair.stop("store")
    start = time.monotonic()
    answer = ask(client, [(module_id, 0), (module_id, LAST)])
    assert functions(answer) == ["function_0", f"function_{MANY - 1}"]
    assert any("the store does not answer" in said for said in diagnostics_of(answer).warnings)
    assert time.monotonic() - start < 10.0
    cold = numbered_module(2)
    site.supplier.put(cold, symbol_file(cold))
    assert functions(ask(client, [(cold, 0)])) == ["function_0"]
    assert not client.get_store_info().store.is_reachable


def test_a_store_that_is_started_again_is_filled_again(
    site: Site, client: Client, module_id: ModuleId
) -> None:
    ask(client, [(module_id, 0)])
    site.pair.stop("store")
    site.pair.start("store")
    assert command_line(site, "keys", "symbol:*") == []
    answer = ask(site.new_client(), [(module_id, LAST)])
    assert functions(answer) == [f"function_{MANY - 1}"]
    assert command_line(site, "keys", "symbol:*") == [directory_key(module_id)]
    assert len(site.supplier.gets) == 1


def test_while_the_cache_is_down_what_is_held_is_answered_and_the_rest_unavailable(
    site: Site, client: Client, module_id: ModuleId
) -> None:
    ask(client, [(module_id, 0)])
    site.pair.stop("cache")
    cold = numbered_module(2)
    site.supplier.put(cold, symbol_file(cold))
    start = time.monotonic()
    answer = ask(client, [(module_id, LAST), (cold, 0)])
    assert time.monotonic() - start < 10.0
    assert functions(answer) == [f"function_{MANY - 1}", None]
    found, unavailable = answer.modules
    assert found.outcome is ModuleOutcome.FOUND
    assert unavailable.outcome is ModuleOutcome.UNAVAILABLE
    assert unavailable.retry_after_seconds
    assert diagnostics_of(answer).warnings
    site.pair.start("cache")
    wait_until(lambda: functions(ask(client, [(cold, 0)])) == ["function_0"])
