"""Passwords of Redis servers and suppliers open what they are for, and are seen nowhere."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from symbolon import Client
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import PATIENCE_SECONDS, Program, StartProgram, start, wait_until
from tests.fixtures.certificates import Authority, authority
from tests.fixtures.sentinels import Access, watched
from tests.fixtures.symbol_server import SymbolServer
from tests.fixtures.tls_proxy import TlsProxy
from tests.ingest.symbol_files import numbered_module, symbol_file
from tests.system.conftest import ask, functions

__all__ = ["authority", "start"]  # programs with command lines of their own

SECRET = "hunter2"
"""Is part of every password here, so that one search finds each."""

USER = "somebody"


@dataclass(frozen=True, slots=True)
class Locked:
    """A store and a cache that want user and password, and their URLs."""

    servers: dict[str, EmbeddedRedis]
    urls: dict[str, str]


@pytest.fixture(params=["unix", "rediss", "sentinel"])
def locked(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Locked]:
    with ExitStack() as stack:
        servers, urls = {}, {}
        for role in ("store", "cache"):
            password = f"{SECRET}-{role}"
            if request.param == "sentinel":
                access = Access(password, f"{SECRET}-sentinel")
                watch = stack.enter_context(watched(role, replicas=0, access=access))
                [servers[role]], urls[f"{role}_url"] = watch.servers.values(), watch.url()
                continue
            overrides = {"user": f"{USER} on >{password} ~* &* +@all", "requirepass": "other"}
            options = EmbeddedOptions(overrides=overrides)
            server = stack.enter_context(EmbeddedRedis.start(f"{role}.conf", options))
            socket = server.url.removeprefix("unix://")
            if request.param == "unix":
                urls[f"{role}_url"] = f"unix://{USER}:{password}@{socket}"
            else:
                certificate = authority.issue("127.0.0.1")
                proxy = stack.enter_context(TlsProxy(certificate, Path(socket)))
                address = f"{USER}:{password}@127.0.0.1:{proxy.port}"
                urls[f"{role}_url"] = f"rediss://{address}/0?ssl_ca_certs={authority.file}"
            servers[role] = server
        yield Locked(servers, urls)


@dataclass(frozen=True, slots=True)
class Shop:
    """A symbol server that wants to know its customers, and the settings that tell."""

    module_id: ModuleId
    settings: dict[str, str]


@pytest.fixture
def shop(symbol_server: SymbolServer, tmp_path: Path) -> Shop:
    module_id = numbered_module(1)
    symbol_server.put(module_id, symbol_file(module_id))
    headers = tmp_path / "headers"
    headers.write_text(f"{symbol_server.url} X-Api-Key: {SECRET}-key\n")
    url = symbol_server.url.replace("//", f"//{USER}:{SECRET}-shop@")
    url += f"?signature={SECRET}#casing=default,absent=403"
    return Shop(module_id, {"suppliers": url, "supplier_headers_file": str(headers)})


def command_lines(program: Program) -> str:
    """What `ps` shows of everything that the program started, and of itself."""
    running = [psutil.Process(program.process.pid), *program.below()]
    return json.dumps([process.cmdline() for process in running])


def read_metrics(log: str) -> str:
    (line,) = (line for line in log.splitlines() if "metrics_served" in line)
    address = line.rpartition("address=")[2]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE_SECONDS) as page:
        text: str = page.read().decode()
    return text


@pytest.mark.promise("Passwords of Redis servers and suppliers appear nowhere")
def test_passwords_open_what_they_are_for_and_are_seen_nowhere(
    start: StartProgram, locked: Locked, shop: Shop, symbol_server: SymbolServer
) -> None:
    program = start(
        "serve",
        "--worker",
        listen="127.0.0.1:0",
        processes="2",
        log_level="debug",
        metrics_listen="127.0.0.1:0",
        **(locked.urls | shop.settings),
    )
    with Client(program.await_address(), timeout=PATIENCE_SECONDS) as client:
        assert None not in functions(ask(client, [(shop.module_id, 0)]))
        assert symbol_server.gets[0].headers["X-Api-Key"] == f"{SECRET}-key"
        told = [client.get_store_info(), client.get_module(*str(shop.module_id).split("/"))]
        seen = [command_lines(program), read_metrics(program.log), *map(repr, told)]
        # What is said once the cache has gone, too: another module has to be looked for.
        locked.servers["cache"].close()
        told = [client.get_store_info(), ask(client, [(numbered_module(2), 0)]).modules]
        seen += [*map(repr, told), program.log]
    assert [text for text in seen if SECRET in text] == []
    assert "is_reachable=False" in seen[-3]


@pytest.mark.parametrize("locked", ["unix"], indirect=True)
def test_a_check_with_a_wrong_password_shows_neither_it_nor_the_user(
    start: StartProgram, locked: Locked, shop: Shop
) -> None:
    wrong = {name: url.replace(SECRET, f"{SECRET}-wrong") for name, url in locked.urls.items()}
    program = start("check", **(wrong | shop.settings))
    output, _ = program.process.communicate(timeout=PATIENCE_SECONDS)
    assert program.process.returncode == 1
    assert output.count("the user or password is wrong or missing") == 2
    for secret in (SECRET, USER):
        assert secret not in output + program.log


@pytest.mark.promise("Passwords of Redis servers and suppliers appear nowhere")
def test_a_worker_of_a_cache_that_does_not_know_auth_waits_and_shows_no_password(
    start: StartProgram, shop: Shop
) -> None:
    """Such a server repeats user and password in its error; a worker ended with a traceback."""
    options = EmbeddedOptions(overrides={"rename-command": 'AUTH ""'})
    with EmbeddedRedis.start("cache.conf", options) as cache:
        url = cache.url.replace("unix://", f"unix://{USER}:{SECRET}@")
        program = start("worker", store_url=url, cache_url=url, **shop.settings)
        wait_until(lambda: "cache_unreachable" in program.log)
        assert program.process.poll() is None
    assert "unknown command [...]" in program.log
    for secret in (SECRET, USER):
        assert secret not in program.log


def test_a_password_in_a_flag_is_refused(start: StartProgram) -> None:
    program = start("serve", f"--store-url=redis://:{SECRET}@127.0.0.1:1")
    assert program.process.wait(PATIENCE_SECONDS) == 2
    assert "set SYMBOLON_STORE_URL instead" in program.log
    assert SECRET not in program.log
