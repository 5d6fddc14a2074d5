"""Starts the other members of a crew, hears from them, and sees that none outlives the first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self

from symbolon._batching.progress import Progress, Tell
from symbolon.command_line.sharing.assignments import Assignment, Done, Failed, receive
from symbolon.errors import InvalidReportError, SymbolonError

ENDED_WITH_THE_CREW = 9
"""The exit code of a member that ends because another one has."""


_INPUT_CHANGED = "the processes of this run do not find the same lines: the input changed"


class MemberEndedError(SymbolonError):
    """A process of the run ended before its time."""

    advice = "What is written is complete up to there; with --output the same command goes on."


class _Member:
    """One of the other members."""

    def __init__(self, program: subprocess.Popen[bytes], news: Connection) -> None:
        self.program = program
        self.news = news
        self.progress = Progress()
        self.end: Done | Failed | None = None

    def listen(self) -> bool:
        """Take one piece of news; return false when it was the last."""
        try:
            news = receive(self.news)
        except (EOFError, OSError):  # killed before or while it sent news
            return False
        if isinstance(news, Progress):
            self.progress = news
        else:
            self.end = news
        return True

    def find_failure(self) -> Exception | None:
        """Wait for its end; return its error, or that it was killed."""
        code = self.program.wait()
        if isinstance(self.end, Failed):
            return self.end.error
        if self.end is not None or code == ENDED_WITH_THE_CREW:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return MemberEndedError(f"a process of this run {how}")


class Crew:
    """The other members; leaving it ends those that still run."""

    def __init__(self, tell: Tell) -> None:
        """`tell` is called with the progress of all members together."""
        self._tell = tell
        self._members: list[_Member] = []
        self._listened: dict[Connection, _Member] = {}
        self._own = Progress()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.program.kill()
        self._stack.close()

    def add(self, assignment: Assignment, news: Connection, arguments: Sequence[str]) -> None:
        """Start a member with the program's own arguments; raise `InvalidReportError`."""
        module = "symbolon.command_line.member"
        command = [sys.executable, "-P", "-m", module, assignment.write(), *arguments]
        path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
        # It ends when its standard input does. The terminal's interrupts are for the first member.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            program = subprocess.Popen(  # noqa: S603 # this program itself
                command,
                stdin=subprocess.PIPE,
                pass_fds=assignment.descriptors,
                env=os.environ | {"PYTHONPATH": path},
            )
        except OSError as error:
            raise InvalidReportError(
                f"cannot start another process: {error.strerror}; --processes 1 needs none"
            ) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        member = _Member(self._stack.enter_context(program), self._stack.enter_context(news))
        self._members.append(member)
        self._listened[news] = member

    def tell(self, own: Progress) -> None:
        """Tell the progress of all members, of which this is the first one's."""
        self._own = own
        while self._listen(timeout=0):
            pass
        self._tell_sum()

    def finish(self) -> bool:
        """Wait until the others are done; return whether lines of theirs were refused.

        Raises the error of one that failed, or `MemberEndedError`.
        """
        self._raise_failure()
        while self._listened:
            self._listen()
            self._tell_sum()
            self._raise_failure()
        ends = [member.end for member in self._members if isinstance(member.end, Done)]
        if len(ends) < len(self._members):
            raise MemberEndedError(_INPUT_CHANGED)
        return any(end.is_partly_refused for end in ends)

    def explain_lost_turn(self) -> Exception:
        """Return what ended another member before its time."""
        try:
            self.finish()
        except Exception as error:  # noqa: BLE001 # returned
            return error
        return MemberEndedError(_INPUT_CHANGED)

    def _listen(self, timeout: float | None = None) -> bool:
        """Take the news that are there; return whether there were any."""
        ready = wait(list(self._listened), timeout)
        for news in self._listened.keys() & ready:
            if not self._listened[news].listen():
                del self._listened[news]
        return bool(ready)

    def _raise_failure(self) -> None:
        for member in self._members:
            if member.news not in self._listened and (error := member.find_failure()):
                raise error

    def _tell_sum(self) -> None:
        every = [self._own, *(member.progress for member in self._members)]
        self._tell(
            Progress(
                sum(progress.reports for progress in every),
                sum(progress.refused for progress in every),
                sum(progress.frames for progress in every),
            )
        )
