"""Real Redis servers that are set up so that a server would not work well with them."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from tests.app.conftest import PATIENCE_SECONDS, Program
from tests.system.conftest import Site


@dataclass(frozen=True, slots=True)
class SetUp:
    """One thing that is wrong, and what a person is told about it."""

    name: str
    spoil: Callable[[Site], object]
    sentence: str
    fix: str
    flag: str


SET_UPS = [
    SetUp(
        "a store without a limit",
        lambda site: site.store.config_set("maxmemory", "0"),
        "has no maxmemory",
        "config set maxmemory 500mb",
        "--allow-unbounded-store",
    ),
    SetUp(
        "a store that does not evict",
        lambda site: site.store.config_set("maxmemory-policy", "noeviction"),
        "has maxmemory-policy noeviction",
        "config set maxmemory-policy allkeys-lru",
        "--allow-unbounded-store",
    ),
    SetUp(
        "a store that evicts no page",
        lambda site: site.store.config_set("maxmemory-policy", "volatile-lru"),
        "has maxmemory-policy volatile-lru",
        "config set maxmemory-policy allkeys-lru",
        "--allow-unbounded-store",
    ),
    SetUp(
        "a cache that evicts",
        lambda site: site.cache.config_set("maxmemory-policy", "allkeys-lru"),
        "has maxmemory-policy allkeys-lru",
        "config set maxmemory-policy noeviction",
        "--allow-evicting-cache",
    ),
]


def end_of(program: Program) -> str:
    """Return what a program said that ended by itself, in trouble."""
    assert program.process.wait(PATIENCE_SECONDS) == 1
    assert program.left_behind() == []
    return program.log


@pytest.mark.parametrize("set_up", SET_UPS, ids=lambda set_up: set_up.name)
def test_a_server_refuses_to_start_and_says_how_to_fix_it(site: Site, set_up: SetUp) -> None:
    set_up.spoil(site)
    said = end_of(site.serve())
    for part in (set_up.sentence, set_up.fix, set_up.flag):
        assert part in said
    assert "Traceback" not in said
    site.serve(set_up.flag).await_address()


def test_one_server_for_both_is_recognised_by_another_address(site: Site) -> None:
    options = EmbeddedOptions(port=_free_port(), overrides={"maxmemory-policy": "noeviction"})
    with EmbeddedRedis.start("store.conf", options) as server:
        said = end_of(
            site.serve(store_url=server.url, cache_url=f"redis://127.0.0.1:{options.port}")
        )
    assert "Store and cache are the same server" in said
    assert "--allow-shared-redis" in said


def test_servers_that_forbid_config_are_judged_by_info(site: Site) -> None:
    site.store.config_set("maxmemory", "0")
    for client in (site.store, site.cache):
        client.acl_setuser(
            "guest",
            enabled=True,
            passwords=["+pass"],
            keys=["*"],
            channels=["*"],
            commands=["+@all", "-config"],
        )
    settings = {
        name: url.replace("unix://", "unix://guest:pass@")
        for name, url in site.pair.settings().items()
    }
    assert "has no maxmemory" in end_of(site.serve(**settings))
    site.store.config_set("maxmemory", "100mb")
    site.serve(**settings).await_address()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
