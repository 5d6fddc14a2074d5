"""The programs that are measured, and those that measure: each a process of its own."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis
from tests.bench.world.symbol_files import SymbolFile

ROOT = Path(__file__).resolve().parents[3]

_READY = re.compile(r"symbolon-server is ready on (\S+) .*?(?:HTTP on (\S+?))?\)$")
_STOP_SECONDS = 40.0
_ALL_THREADS = 2
"""Of a process clock: the time for which its threads ran."""


class ProgramError(Exception):
    """A program did not start or ended by itself."""


class Program:
    """`python -m` something, which talks over its input and output in lines."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = arguments[0]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**own_environment(), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    @property
    def process_id(self) -> int:
        """The program's process."""
        return self._process.pid

    def processor_seconds(self) -> float:
        """Return the processor time that the program has used, without that of its children."""
        return processor_seconds(self._process.pid)

    def read_line(self) -> str:
        """Return the next line of its output; raise `ProgramError` at its end."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProgramError(f"{self._name} ended with {self._process.wait()}")
        return line.rstrip("\n")

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Send an order as a line of JSON, and return the answer, which is one too."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.read_line())
        return answer


def processor_seconds(process_id: int) -> float:
    """Return the processor time that a process has used, without that of its children.

    Linux has a clock for each process, whose number is made of the process's: psutil reads
    times in hundredths of a second.
    """
    return time.clock_gettime_ns(~process_id << 3 | _ALL_THREADS) / 1e9


def own_environment() -> dict[str, str]:
    """Return the environment without anybody's settings of the server."""
    return {key: value for key, value in os.environ.items() if not key.startswith("SYMBOLON_")}


class SymbolServer(Program):
    """A supplier on loopback that has each file under any debug id."""

    def __init__(self, files: Sequence[SymbolFile]) -> None:
        paths = {file.name: str(file.path) for file in files}
        super().__init__(["tests.bench.world.symbol_server", json.dumps(paths)])
        self.url = f"http://127.0.0.1:{self.read_line()}/"

    def url_of(self, file: SymbolFile) -> str:
        """Return where a file is fetched from."""
        module_id = file.module_id
        return f"{self.url}{module_id}/{module_id.symbol_file_name}"


class EchoServer(Program):
    """Answers each method of `METHODS` with the bytes of one file, and does nothing else."""

    def __init__(self, answers: Path, *options: str) -> None:
        super().__init__(["tests.bench.world.echo_server", str(answers), *options])
        self.target = f"127.0.0.1:{self.read_line()}"


class Symbolon:
    """A server as users run it, with a worker, both Redis servers, metrics and a spool.

    `__enter__` starts it; everything that it keeps goes away with it.
    """

    def __init__(self, supplier_url: str, settings: Mapping[str, str] | None = None) -> None:
        self._supplier_url = supplier_url
        self._settings = settings or {}
        self._started = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as on_failure:
            on_failure.callback(self._started.close)
            self._start()
            on_failure.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._started.close()

    store_url: str
    target: str
    http: str
    """The gateway's address, if it has been asked for."""

    program: Program

    @property
    def core(self) -> int:
        """The place, among the cores that may be used, of the one that its threads stay on."""
        tasks = Path(f"/proc/{self.program.process_id}/task").iterdir()
        kept = [cores for task in tasks if len(cores := os.sched_getaffinity(int(task.name))) == 1]
        return sorted(os.sched_getaffinity(0)).index(*kept[0]) if kept else 0

    def _start(self) -> None:
        enter = self._started.enter_context
        folder = enter(TemporaryDirectory(prefix="symbolon-bench-"))
        store = enter(EmbeddedRedis.start("store.conf", EmbeddedOptions()))
        cache = enter(EmbeddedRedis.start("cache.conf", EmbeddedOptions()))
        self.store_url = store.url
        settings = {
            "SYMBOLON_LISTEN": "127.0.0.1:0",
            "SYMBOLON_METRICS_LISTEN": "127.0.0.1:0",
            "SYMBOLON_LOG_LEVEL": "warning",
            "SYMBOLON_STORE_URL": store.url,
            "SYMBOLON_CACHE_URL": cache.url,
            "SYMBOLON_SUPPLIERS": self._supplier_url,
            "SYMBOLON_SPOOL_DIR": f"{folder}/spool",
            "SYMBOLON_WORKER": "true",
        }
        self.program = enter(Program(["symbolon_server", "serve"], settings | {**self._settings}))
        ready = _READY.match(self.program.read_line())
        if ready is None:
            raise ProgramError("the server said something else than that it is ready")
        self.target, self.http = ready[1], ready[2] or ""
