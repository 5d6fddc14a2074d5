"""`make run` shows the sample crash, and leaves nothing behind however it is stopped."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 30.0

Stop = Callable[[int], None]


def interrupt_as_a_terminal_does(make: int) -> None:
    """Ctrl-C: SIGINT for every process of the group."""
    os.killpg(make, signal.SIGINT)


def hang_up_as_a_terminal_does(make: int) -> None:
    """The terminal is closed: SIGHUP for every process of the group."""
    os.killpg(make, signal.SIGHUP)


def interrupt_make_alone(make: int) -> None:
    """As `kill -INT` does, which make does not pass on."""
    os.kill(make, signal.SIGINT)


def terminate_make_alone(make: int) -> None:
    """As a service manager does, which make passes on."""
    os.kill(make, signal.SIGTERM)


def kill_make_alone(make: int) -> None:
    """As `kill -9` does, of which nobody is told."""
    os.kill(make, signal.SIGKILL)


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A `make run` of its own: home and folders are nobody else's, the port is any free one."""
    own = {
        "HOME": str(tmp_path),
        "SYMBOLON_DATA_DIR": str(tmp_path / "data"),
        "SYMBOLON_LISTEN": "127.0.0.1:0",
        "SYMBOLON_SPOOL_DIR": str(tmp_path / "spool"),
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SYMBOLON_")}
    with subprocess.Popen(
        ["make", "--no-print-directory", f"PYTHON={sys.executable}", "run"],
        cwd=ROOT,
        env=kept | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def read_until(output: Iterator[str], start: str) -> str:
    """Everything that is printed up to the first line that begins with `start`."""
    seen: list[str] = []
    for line in output:
        seen.append(line)
        if line.startswith(start):
            break
    return "".join(seen)


@pytest.mark.promise("SIGHUP reloads certificates and tokens; SIGUSR1 and SIGUSR2 are ignored")
@pytest.mark.parametrize(
    "stop",
    [
        interrupt_as_a_terminal_does,
        hang_up_as_a_terminal_does,
        interrupt_make_alone,
        terminate_make_alone,
        kill_make_alone,
    ],
)
def test_the_sample_crash_is_shown_and_nothing_is_left_behind(
    make_run: "subprocess.Popen[str]", stop: Stop
) -> None:
    assert make_run.stdout is not None
    shown = read_until(make_run.stdout, "Serving on")
    for expected in ("orchard::grade", "inlined into", "orchard/grading.cpp:9", "Serving on"):
        assert expected in shown, shown
    assert " info " not in shown  # no events of the log between the lines of the answer
    started = psutil.Process(make_run.pid).children(recursive=True)
    # The sample, the server, its worker and two Redis servers.
    assert len(started) >= 5
    send_what_is_ignored(started, make_run.stdout)

    stop(make_run.pid)

    _, alive = psutil.wait_procs(started, STOP_SECONDS)
    assert alive == []


def send_what_is_ignored(started: list[psutil.Process], output: Iterator[str]) -> None:
    (sample,) = (process for process in started if "run_sample.py" in " ".join(process.cmdline()))
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        sample.send_signal(number)
        assert f"{number.name} is ignored." in read_until(output, number.name)


def test_a_port_in_use_ends_make_run_with_the_reason(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run(
            ["make", f"PYTHON={sys.executable}", "run"],
            cwd=ROOT,
            env=os.environ | {"HOME": str(tmp_path), "SYMBOLON_LISTEN": address},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert address in done.stderr
    assert "in use" in done.stderr
