"""`symbolon-server symbolicate` answers a crash on its own, and leaves nothing but the spool."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from symbolon.command_line.arguments import main as symbolon
from symbolon_server.__main__ import main
from symbolon_server.app.programs import symbolicate_command
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.app.conftest import (
    PATIENCE_SECONDS,
    SAMPLE,
    Program,
    StartProgram,
    wait_until,
)
from tests.fixtures.logging_state import restored_logging
from tests.fixtures.symbol_server import Answer, Ending, SymbolServer, symbol_server

__all__ = ["restored_logging", "symbol_server"]

ORCHARD = ModuleId.parse("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
CRASH = str(SAMPLE / "crash.json")
REPORT = (
    f'{{"memoryMap": [["{ORCHARD.debug_file}", "{ORCHARD.debug_id}"]], "stacks": [[[0, 4210]]]}}\n'
)
SYMBOLS = SAMPLE / "symbols"
SYMBOL_FILE = SYMBOLS.joinpath(ORCHARD.debug_file, ORCHARD.debug_id, "orchard.sym")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command runs: an environment that no other test's programs have."""

    environment: dict[str, str]
    temporary: Path
    spool: Path

    def present(self) -> set[object]:
        """Return the temporary files, and the processes that were started in this environment."""
        return {*self.temporary.iterdir(), *filter(self._is_here, psutil.process_iter())}

    def _is_here(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR") == str(self.temporary)
        except psutil.Error:
            return False

    def run(self, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run the command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "symbolon_server", "symbolicate", *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@pytest.fixture
def place(environment: dict[str, str]) -> Iterator[Place]:
    """Its paths are short, as the sockets in it need."""
    with TemporaryDirectory(dir="/tmp") as name:
        temporary = Path(name, "tmp")
        temporary.mkdir()
        environment |= {"TMPDIR": str(temporary)}
        yield Place(environment, temporary, Path(environment["SYMBOLON_SPOOL_DIR"]))


@pytest.mark.promise("A command with a server of its own leaves nothing behind but the spool")
def test_beside_a_running_server_it_answers_the_same_and_leaves_nothing_but_the_spool(
    start: StartProgram,
    place: Place,
    symbol_server: SymbolServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    symbol_server.put(ORCHARD, SYMBOL_FILE.read_bytes())
    running = start("serve", listen="127.0.0.1:0", suppliers=symbol_server.url)
    target = running.await_address()
    before = place.present()
    first = place.run(CRASH, "--suppliers", symbol_server.url, "--format", "text")
    assert (first.returncode, first.stderr) == (0, "")
    assert place.present() == before
    requested = symbol_server.counts()
    assert max(requested.values()) == 1
    lines = place.run("-", "--suppliers", symbol_server.url, "--lines", "--strict", given=REPORT)
    assert (lines.returncode, lines.stderr) == (0, "")
    assert '"function": "main"' in lines.stdout
    assert symbol_server.counts() == requested, "the second run found the module in the spool"
    assert symbolon(["symbolicate", "--target", target, CRASH, "--format", "text"]) == 0
    assert capsys.readouterr().out == first.stdout


def interrupt(program: Program) -> None:
    program.process.send_signal(signal.SIGINT)


def terminate(program: Program) -> None:
    program.process.send_signal(signal.SIGTERM)


def kill_a_redis(program: Program) -> None:
    next(one for one in program.below() if "-server" in one.name()).kill()


@pytest.mark.promise("A command with a server of its own leaves nothing behind but the spool")
@pytest.mark.parametrize(
    ("disturb", "ending"),
    [
        (interrupt, (130, "symbolon-server: interrupted")),
        (terminate, (143, "symbolon-server: interrupted")),
        (kill_a_redis, (1, "error embedded_redis_ended")),
    ],
)
def test_ended_while_a_file_comes_it_leaves_nothing_behind(
    start: StartProgram,
    place: Place,
    symbol_server: SymbolServer,
    disturb: Callable[[Program], None],
    ending: tuple[int, str],
) -> None:
    stalled = Answer(SYMBOL_FILE.read_bytes(), ending=Ending.STALLED_MIDWAY)
    symbol_server.answer(symbol_server.path_of(ORCHARD), stalled)
    program = start("symbolicate", CRASH, "--progress", suppliers=symbol_server.url)
    wait_until(lambda: f"fetching {ORCHARD}" in program.log)
    assert place.present()
    disturb(program)
    code, said = ending
    assert program.process.wait(PATIENCE_SECONDS) == code
    # Threads may still log what they lost.
    assert any(line.endswith(said) for line in program.log.splitlines())
    assert place.present() == set()


@pytest.fixture
def refused(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    restored_logging: None,
) -> Callable[..., str]:
    """Run the command in this process; return what it says of wrong usage before any start."""
    del restored_logging

    def run_here(*arguments: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr("os.environ", environment)
            patch.setattr(symbolicate_command, "start_redis_and_worker", pytest.fail)
            assert main(["symbolicate", *arguments]) == 2
        return capsys.readouterr().err

    return run_here


def test_without_a_supplier_it_says_how_to_name_one(refused: Callable[..., str]) -> None:
    said = refused(CRASH)
    assert "--suppliers symbols" in said
    assert "SYMBOLON_SUPPLIERS" in said


def test_a_bad_input_is_refused_before_anything_is_started(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    suppliers = ["--suppliers", str(SYMBOLS)]
    file = tmp_path / "report"
    assert refused(str(file), *suppliers) == (
        f"symbolon-server: cannot read {file}: No such file or directory\n"
    )
    file.write_text("{")
    assert "is not valid JSON" in refused(str(file), *suppliers)
    file.write_text('{"jobs": [{"memoryMap": [["/a/b", "AB0"]], "stacks": [[[0, 1]]]}]}')
    assert "job 0 has invalid modules" in refused(str(file), "--strict", *suppliers)
    assert "--output" in refused(CRASH, "--output", "out", "--format", "text", *suppliers)
