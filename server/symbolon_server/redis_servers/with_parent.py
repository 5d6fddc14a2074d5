"""Runs a program that is killed with its parent process, even if that is killed itself.

    python -I -S with_parent.py PARENT_PID PROGRAM [ARGUMENT ...]

On Linux the kernel kills the program when the parent's *thread* that started it ends
(PR_SET_PDEATHSIG), so start it from a thread that lives as long as the program should. The setting
survives exec, so this script does not stay in memory. A `preexec_fn` could do the same, but would
run Python between fork and exec, where another thread may hold a lock for ever.

Other systems have no such setting: there the script keeps running, and kills the program when its
own parent process changes.

It is run by path and imports nothing of the package, so that it starts in milliseconds.
"""

import ctypes
import os
import signal
import subprocess
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""

_WATCH_SECONDS = 0.5
"""How often the parent is checked if the kernel does not notify us."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent's thread ends (Linux)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit("the parent process is gone")


def run_watched(parent: int, arguments: list[str]) -> int:
    """Run the program until it ends or the parent is gone; return its exit code."""
    with subprocess.Popen(arguments) as program:  # noqa: S603 - from our own caller

        def pass_on(number: int, _frame: FrameType | None) -> None:
            program.send_signal(number)

        signal.signal(signal.SIGTERM, pass_on)
        while True:
            try:
                return program.wait(_WATCH_SECONDS)
            except subprocess.TimeoutExpired:
                if os.getppid() != parent:
                    program.kill()


def main() -> None:
    """Become the program, or supervise it if the kernel cannot."""
    parent, arguments = int(sys.argv[1]), sys.argv[2:]
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)  # until the program handles them
    if sys.platform != "linux":
        sys.exit(run_watched(parent, arguments))
    die_with_parent(parent)
    os.execv(arguments[0], arguments)  # noqa: S606 - from our own caller


if __name__ == "__main__":
    main()
