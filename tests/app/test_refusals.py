import json
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.app.conftest import (
    PATIENCE_SECONDS,
    Program,
    StartProgram,
    environment_in,
    starting,
    wait_until,
)

NOBODY = "redis://somebody:hunter2@127.0.0.1:1/0"


def ended(program: Program) -> tuple[int, str]:
    return program.process.wait(PATIENCE_SECONDS), program.log


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is there already."""

    address: str
    data_dir: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    environment = environment_in(folder)
    with starting(environment, folder) as start_one:
        address = start_one("serve", listen="127.0.0.1:0").await_address()
        yield Running(address, environment["SYMBOLON_DATA_DIR"])


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_port_in_use_is_a_clear_error(
    serve: StartProgram, running: Running, processes: str
) -> None:
    code, log = ended(serve(listen=running.address, processes=processes))
    assert code == 1
    assert f"cannot listen on {running.address}: address already in use" in log
    assert "Traceback" not in log


def test_a_public_address_needs_a_flag(serve: StartProgram) -> None:
    code, log = ended(serve(listen="0.0.0.0:0"))
    assert code == 1
    assert "--allow-insecure-public" in log
    program = serve("--allow-insecure-public", listen="0.0.0.0:0")
    assert program.await_address().startswith("0.0.0.0:")


def test_invalid_settings_are_reported_together(serve: StartProgram) -> None:
    code, log = ended(serve("--threads", "many", spool_bytes="4GB"))
    assert code == 2
    assert "--threads is 'many'" in log
    assert "SYMBOLON_SPOOL_BYTES is '4GB'" in log


def test_an_unreachable_redis_is_reported_without_its_password(serve: StartProgram) -> None:
    code, log = ended(serve(store_url=NOBODY, cache_url=NOBODY))
    assert code == 1
    assert "The store does not answer" in log
    assert "SYMBOLON_CACHE_URL" in log
    assert "hunter2" not in log


def test_one_evicting_server_for_both_is_refused_with_the_fix(
    serve: StartProgram, redis_store_url: str
) -> None:
    code, log = ended(serve(store_url=redis_store_url, cache_url=redis_store_url))
    assert code == 1
    assert "config set maxmemory-policy noeviction" in log
    assert "--allow-evicting-cache" in log
    assert "--allow-shared-redis" in log


def test_what_is_allowed_by_flags_is_served(serve: StartProgram, redis_store_url: str) -> None:
    program = serve(
        "--allow-evicting-cache",
        "--allow-shared-redis",
        store_url=redis_store_url,
        cache_url=redis_store_url,
    )
    program.await_address()
    assert program.end(signal.SIGTERM) == 0


def test_a_data_folder_in_use_is_reported_with_its_setting(
    serve: StartProgram, running: Running
) -> None:
    code, log = ended(serve(data_dir=running.data_dir))
    assert code == 1
    assert "SYMBOLON_DATA_DIR" in log


def test_an_invalid_supplier_is_reported_without_its_password(serve: StartProgram) -> None:
    code, log = ended(serve(suppliers="ftp://somebody:hunter2@symbols.example"))
    assert code == 1
    assert "supplier 1" in log
    assert "hunter2" not in log


def test_a_metrics_port_in_use_is_reported(serve: StartProgram) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        program = serve(metrics_listen=address)
        code, log = ended(program)
    assert code == 1
    assert f"cannot serve metrics on {address}" in log
    assert program.left_behind() == []


def test_a_worker_needs_the_urls_of_its_servers(start: StartProgram) -> None:
    code, log = ended(start("worker"))
    assert code == 1
    assert "SYMBOLON_STORE_URL" in log


def test_a_misspelt_setting_is_logged(serve: StartProgram) -> None:
    program = serve(suplier="/symbols")
    program.await_address()
    wait_until(lambda: "worker_ready" in program.log)
    told = [line for line in program.log.splitlines() if "unknown_setting" in line]
    assert [line.split("unknown_setting ")[1] for line in told] == [
        "name=SYMBOLON_SUPLIER likely=SYMBOLON_SUPPLIERS"
    ]


def test_a_worker_logs_a_misspelt_setting_and_missing_suppliers(
    start: StartProgram, redis_store_url: str, redis_cache_url: str
) -> None:
    worker = start("worker", supplier="/x", store_url=redis_store_url, cache_url=redis_cache_url)
    wait_until(lambda: "worker_ready" in worker.log)
    assert "warning unknown_setting name=SYMBOLON_SUPPLIER" in worker.log
    assert "warning no_suppliers" in worker.log


def test_a_server_with_a_worker_logs_missing_suppliers(serve: StartProgram) -> None:
    program = serve(suppliers="")
    program.await_address()
    wait_until(lambda: "worker_ready" in program.log)
    assert program.log.count("warning no_suppliers") == 1


def test_a_server_whose_log_is_json_prints_json_alone(serve: StartProgram) -> None:
    program = serve(log_format="json", processes="2", suplier="/x")
    assert program.process.stdout is not None
    ready = json.loads(program.process.stdout.readline())
    wait_until(lambda: "worker_ready" in program.log)
    assert (ready["event"], ready["level"]) == ("ready", "info")
    assert ready["message"].startswith("symbolon-server is ready on 127.0.0.1:")
    events = [json.loads(line)["event"] for line in program.log.splitlines()]
    assert events.count("unknown_setting") == 1
