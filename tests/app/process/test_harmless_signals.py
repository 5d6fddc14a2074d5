"""SIGHUP reads certificates and tokens again; it and others end no program of ours."""

import signal
from pathlib import Path

import grpc
import psutil
import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from tests.app.conftest import SAMPLE, Program, StartProgram, wait_until
from tests.fixtures.certificates import Authority, authority
from tests.gateway.asking import await_http, get
from tests.rpc.access.protected import write_tokens

__all__ = ["authority"]

TOKEN = "the-token-of-who-symbolicates"
OTHER_TOKEN = "the-token-that-comes-later"
ORCHARD = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
IGNORED = signal.SIGUSR1, signal.SIGUSR2


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> dict[str, str]:
    certificate = authority.issue("127.0.0.1")
    tokens = write_tokens(tmp_path / "tokens", ("one", "symbolicate", TOKEN))
    return {
        "tls_cert": str(certificate.chain),
        "tls_key": str(certificate.key),
        "http_server_name": "127.0.0.1",
        "http_server_ca": str(authority.file),
        "auth_tokens_file": str(tokens),
    }


@pytest.mark.promise("SIGHUP reloads certificates and tokens; SIGUSR1 and SIGUSR2 are ignored")
@pytest.mark.parametrize(("processes", "readers"), [(1, 2), (2, 3)])
def test_sighup_reads_certificates_and_tokens_again_in_every_process(
    serve: StartProgram,
    authority: Authority,
    files: dict[str, str],
    processes: int,
    readers: int,
) -> None:
    """Although the files look as before; the gateway is one more process that has read them."""
    program = serve(http="127.0.0.1:0", processes=str(processes), **files)
    address = program.await_address()
    before = below(program)
    program.process.send_signal(signal.SIGHUP)
    for file in (files["auth_tokens_file"], files["tls_cert"]):
        await_lines(program, readers, "files_reloaded", file)

    write_tokens(Path(files["auth_tokens_file"]), ("one", "symbolicate", OTHER_TOKEN))
    Path(files["tls_cert"]).write_text("no certificate")
    program.process.send_signal(signal.SIGHUP)
    await_lines(program, readers, "file_not_reloaded", files["tls_cert"])
    await_lines(program, 2 * readers, "files_reloaded", files["auth_tokens_file"])
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes())
    with Client(address, token=OTHER_TOKEN, credentials=credentials) as client:
        client.symbolicate([], [[]])

    assert below(program) == before, "no program has ended and been started again"
    assert program.end(signal.SIGTERM) == 0
    assert program.left_behind() == []
    assert "Traceback" not in program.log


def below(program: Program) -> set[int]:
    return {process.pid for process in program.below()}


def await_lines(program: Program, least: int, event: str, text: str) -> None:
    """Return once the log has so many lines of an event with a text."""
    wait_until(
        lambda: least <= sum(event in line and text in line for line in program.log.splitlines())
    )


@pytest.mark.promise("SIGHUP reloads certificates and tokens; SIGUSR1 and SIGUSR2 are ignored")
def test_no_harmless_signal_ends_any_process_of_a_server(serve: StartProgram) -> None:
    program = serve(http="127.0.0.1:0", processes="2")
    address = await_http(program)
    ours = [psutil.Process(program.process.pid), *program.below()]
    programs = [p for p in ours if "symbolon_server" in " ".join(p.cmdline())]
    assert len(programs) == 5, "the server, two serving processes, the gateway, the worker"
    for number in (signal.SIGHUP, *IGNORED):
        for process in programs:
            process.send_signal(number)
    for number in IGNORED:
        await_lines(program, len(programs), "signal_ignored", number.name)
    assert get(address, "/__heartbeat__").status == 200
    assert {process.pid for process in ours[1:]} == below(program)
    assert program.end(signal.SIGTERM) == 0


@pytest.mark.promise("SIGHUP reloads certificates and tokens; SIGUSR1 and SIGUSR2 are ignored")
@pytest.mark.usefixtures("clear_redis_store", "clear_redis_cache")
@pytest.mark.parametrize("metrics_listen", ["off", "127.0.0.1:0"])
def test_a_worker_ignores_harmless_signals_and_works_on(
    start: StartProgram,
    serve: StartProgram,
    redis_store_url: str,
    redis_cache_url: str,
    metrics_listen: str,
) -> None:
    urls = {"store_url": redis_store_url, "cache_url": redis_cache_url}
    worker = start(
        "worker", suppliers=str(SAMPLE / "symbols"), metrics_listen=metrics_listen, **urls
    )
    server = serve(suppliers="", **urls)
    with Client(server.await_address()) as client:
        wait_until(lambda: is_worked_for(client))
        before = below(worker)
        for number in (signal.SIGHUP, *IGNORED):
            worker.process.send_signal(number)
            await_lines(worker, 1, "signal_ignored", number.name)
        client.invalidate_modules([ORCHARD])
        wait_until(lambda: is_worked_for(client))
    assert below(worker) == before
    assert worker.end(signal.SIGTERM) == 0


def is_worked_for(client: Client) -> bool:
    (result,) = client.symbolicate([ORCHARD], [[Frame(0, 4272)]]).modules
    return result.outcome is ModuleOutcome.FOUND
