"""The server as its users run it: a program, its output and its signals."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from tests.fixtures.programs.forked import ForkedProcess, run_server

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "data" / "sample"
PATIENCE_SECONDS = 60.0
"""Longer than anything takes when all is well."""

Process = subprocess.Popen[str] | ForkedProcess
Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]
"""Starts a program with arguments and environment, whose standard error goes to a file."""

_READ_BY_THE_INTERPRETER = ("PYTHON", "LD_", "MALLOC_")


def execute(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a program as users do."""
    with log.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "symbolon_server", *arguments],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )


def fork(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a program that has imported its modules, if it is to run those that the tests run."""

    def read_early(variables: Mapping[str, str]) -> set[tuple[str, str]]:
        return {(name, text) for name, text in variables.items() if name.startswith(early)}

    early = _READ_BY_THE_INTERPRETER
    if read_early(environment) != read_early(environment_in(log.parent)):
        return execute(arguments, environment, log)
    return ForkedProcess(run_server, arguments, environment, log)


class Program:
    """A running `symbolon-server`, with what it wrote and what runs below it."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log_path = log
        self._seen: set[psutil.Process] = set()
        self.ready_line = ""

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def await_address(self) -> str:
        """Return the address of the line that says that the server is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("symbolon-server is ready on "), line + self.log
        self.ready_line = line
        self.below()
        return line.split()[4]

    def below(self) -> list[psutil.Process]:
        """Return all processes that run below it, and remember them."""
        try:
            running = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:  # a forked one is gone before its exit code is known
            running = []
        self._seen.update(running)
        return running

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.below()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def left_behind(self) -> list[psutil.Process]:
        """Return what still runs of all that ever ran below it, after a moment."""
        _, alive = psutil.wait_procs(self._seen, timeout=10)
        return alive

    def kill(self) -> None:
        """Make an end of it all."""
        if self.process.poll() is None:
            self.below()
            self.process.kill()
            self.process.wait()
        for process in self._seen:
            if process.is_running():
                process.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()


class StartProgram(Protocol):
    def __call__(self, *arguments: str, **settings: str) -> Program: ...


def environment_in(folder: Path) -> dict[str, str]:
    """Return an environment whose folders are below `folder`."""
    foreign = ("SYMBOLON_", "DEBUGINFOD_URLS")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    paths = [str(ROOT / "client"), str(ROOT / "server"), ours.get("PYTHONPATH", "")]
    return ours | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "SYMBOLON_DATA_DIR": str(folder / "data"),
        "SYMBOLON_SPOOL_DIR": str(folder / "spool"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@contextmanager
def starting(
    environment: Mapping[str, str], folder: Path, launch: Launch = fork
) -> Iterator[StartProgram]:
    """Return what starts programs, which end with the context; their logs are in `folder`."""
    with ExitStack() as stack:

        def start_one(*arguments: str, **settings: str) -> Program:
            variables = {f"SYMBOLON_{name.upper()}": value for name, value in settings.items()}
            log = folder / f"log{len(list(folder.glob('log*')))}"
            program = Program(launch(arguments, {**environment, **variables}, log), log)
            stack.callback(program.kill)
            return program

        yield start_one


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose folders are the test's own."""
    return environment_in(tmp_path)


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[StartProgram]:
    """Start a program as users do; settings may be given: `start("serve", threads="8")`."""
    with starting(environment, tmp_path, execute) as start_one:
        yield start_one


@pytest.fixture
def serve(start: StartProgram) -> StartProgram:
    """Start a server on a free port with the sample's symbol file."""

    def serve_one(*arguments: str, **settings: str) -> Program:
        settings = {"listen": "127.0.0.1:0", "suppliers": str(SAMPLE / "symbols")} | settings
        return start("serve", *arguments, **settings)

    return serve_one


def wait_until(is_true: Callable[[], bool]) -> None:
    """Return when it is; what processes do cannot be waited for in another way."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if is_true():
            return
        pause.wait(0.02)
    raise AssertionError("it never was")
