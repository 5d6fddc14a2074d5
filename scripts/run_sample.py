"""Serve the sample symbols, symbolicate the sample crash, print it, serve on until told to stop.

What `make run` runs. Ends, with everything it started, on SIGINT, SIGTERM or SIGHUP, which is how a
terminal says that it is closed, and also when the make that started it is interrupted or killed
without passing that on. SIGUSR1 and SIGUSR2 are ignored.
"""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

Server = subprocess.Popen[str]

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "tests/data/sample"
NATIVE_CRASH = f"{SAMPLE}/crash-native.json"
KEPT = ".cache/run"
READY = re.compile(r"symbolon-server is ready on (\S+) ")
START_SECONDS = 90.0
STOP_SECONDS = 40.0
LOOK_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)


class SampleError(Exception):
    """The sample could not be shown; its text says why."""


class Stopped(Exception):  # noqa: N818 - an end that was asked for is no error
    """Raised wherever we are when we are told to stop."""


def main() -> int:
    """Return the exit code: 0 when told to stop, 1 when anything else ends the sample."""
    os.chdir(ROOT)
    for number in IGNORED_SIGNALS:
        signal.signal(number, ignore)
    server = start_server()
    try:
        for number in STOP_SIGNALS:
            signal.signal(number, stop)
        make = os.getppid()
        target = wait_until_serving(server, make)
        show_crash(target)
        say(
            f"Serving on {target}. Stop with Ctrl-C. In another terminal, the same crash from an "
            "ELF debug file:"
        )
        say(f"  .venv/bin/symbolon symbolicate --format text --target {target} {NATIVE_CRASH}")
        wait_for_end(server, make)
    except Stopped:
        return 0
    except SampleError as error:
        say(str(error))
        return 1
    finally:
        end(server)


def start_server() -> Server:
    """Start the server with the sample symbols after any suppliers that the environment names.

    What it keeps lies in the checkout, apart from that of a server which is there to stay.
    """
    named = os.environ.get("SYMBOLON_SUPPLIERS", "")
    own = {
        "SYMBOLON_DATA_DIR": f"{KEPT}/data",
        "SYMBOLON_LOG_LEVEL": "warning",  # the answer is printed without events between its lines
        "SYMBOLON_SPOOL_DIR": f"{KEPT}/spool",
        "SYMBOLON_WORKER": "true",
    }
    native = f"{SAMPLE}/debug/.build-id#layout=native"
    suppliers = ",".join(filter(None, [named, f"{SAMPLE}/symbols", native]))
    command = [sys.executable, "-m", "symbolon_server", "serve"]
    environment = own | os.environ | {"SYMBOLON_SUPPLIERS": suppliers}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """Stop; that the terminal or make says it twice changes nothing."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped


def ignore(number: int, _frame: FrameType | None) -> None:
    """Say so in a line; not by `say`, which may be what the signal interrupts."""
    os.write(sys.stderr.fileno(), f"{signal.Signals(number).name} is ignored.\n".encode())


def wait_until_serving(server: Server, make: int) -> str:
    """Return the address that the server says it serves on; raise when it ends or takes too long.

    Asking the address that it was given would not do: another server may be there already.
    """
    deadline = time.monotonic() + START_SECONDS
    addresses: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=copy_output, args=(server, addresses), daemon=True).start()
    while addresses.empty():
        look(server, make)
        if time.monotonic() > deadline:
            raise SampleError(f"The server did not serve within {START_SECONDS:.0f} s.")
    return addresses.get()


def copy_output(server: Server, addresses: "queue.SimpleQueue[str]") -> None:
    """Print what the server prints, as long as it does; put the address that it serves on."""
    for line in server.stdout or ():
        print(line, end="", flush=True)
        if found := READY.match(line):
            addresses.put(found[1])


def show_crash(target: str) -> None:
    """Print the sample crash symbolicated, by the command that a person would use."""
    command = [sys.executable, "-m", "symbolon", "symbolicate", "--format", "text"]
    crash = f"{SAMPLE}/crash.json"
    done = subprocess.run([*command, "--target", target, crash], check=False)
    if done.returncode != 0:
        raise SampleError(f"The sample crash could not be symbolicated ({done.returncode}).")


def wait_for_end(server: Server, make: int) -> NoReturn:
    """Never return: raise when the server ends or when we are told to stop."""
    while True:
        look(server, make)


def look(server: Server, make: int) -> None:
    """Wait for a moment; raise when the server has ended or make wants to."""
    try:
        code = server.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        if os.getppid() != make or is_interrupted(make):
            raise Stopped from None
    else:
        raise SampleError(f"The server ended by itself ({code}): its last lines say why.")


def is_interrupted(make: int) -> bool:
    """Return whether process `make` is a make that got SIGINT or SIGHUP for itself alone.

    GNU make passes only SIGTERM on to its children. At the others it stops catching them and
    waits for its children, who know nothing of it unless they look. Linux tells what is caught.
    """
    try:
        status = Path(f"/proc/{make}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if facts.get("Name") not in {"make", "gmake"}:
        return False
    caught, ignored = int(facts["SigCgt"], 16), int(facts["SigIgn"], 16)
    return any(not (caught | ignored) & (1 << number - 1) for number in STOP_SIGNALS)


def end(server: Server) -> None:
    """End the server, and with it its worker and both Redis servers."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        say("The server did not stop in time and is killed.")
        server.kill()
        server.wait()


def say(text: str) -> None:
    """Print a line at once, also where the output is a file."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
