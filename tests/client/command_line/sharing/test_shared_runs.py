"""`symbolon symbolicate --processes N`: the output of one process, from several."""

import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import grpc
import psutil
import pytest

from symbolon.command_line.arguments import main
from symbolon.command_line.sharing.blocks import BLOCK_BYTES
from symbolon.v1 import module_pb2, stack_pb2, symbolication_service_pb2
from tests.client.canned import CannedServer, start_canned_server

LINES = 100
LINES_EACH_BLOCK = 8
FRAMES = 400
LATE = 85
"""Neither of two processes gets to this line before lines of its own are written: it holds 2 MB of
answers, and five requests of at most 2,000 frames."""

NAME = "long" * 100
PATIENCE_SECONDS = 60


def make_line(number: int) -> bytes:
    stack = [[0, number * FRAMES + index] for index in range(FRAMES)]
    line = json.dumps({"memoryMap": [["xul.pdb", "AB0"]], "stacks": [stack]}).encode()
    return line.ljust(BLOCK_BYTES // LINES_EACH_BLOCK - 1)


def answer(request: Any, context: grpc.ServicerContext) -> Any:
    if any(module.debug_file.startswith("refused") for module in request.modules):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "it is refused")
    return symbolication_service_pb2.SymbolicateResponse(
        stacks=[
            stack_pb2.SymbolicatedStack(
                frames=[
                    stack_pb2.SymbolicatedFrame(
                        module="xul.pdb",
                        module_offset=frame.module_offset,
                        function=f"{NAME}{frame.module_offset}",
                        outcome=stack_pb2.FRAME_OUTCOME_SYMBOLICATED,
                    )
                    for frame in stack.frames
                ]
            )
            for stack in request.stacks
        ],
        modules=[
            module_pb2.ModuleResult(outcome=module_pb2.MODULE_OUTCOME_FOUND)
            for _ in request.modules
        ],
    )


def last_line(request: Any) -> int:
    return int(request.stacks[-1].frames[-1].module_offset // FRAMES)


def is_for_first(request: Any) -> bool:
    """Whether the first of two processes sent the request."""
    return last_line(request) // LINES_EACH_BLOCK % 2 == 0


@dataclass
class Site:
    """A file of reports, what they are answered with, and a run that a test interferes with."""

    canned: CannedServer
    folder: Path
    reports: Path
    expected: bytes
    program: "subprocess.Popen[bytes] | None" = None
    seen: list[psutil.Process] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out.jsonl"

    def command(self, *flags: str, processes: int = 2) -> list[str]:
        program = [sys.executable, "-m", "symbolon", "symbolicate", str(self.reports)]
        return [*program, f"--target={self.canned.target}", f"--processes={processes}", *flags]

    def do(self, at: Callable[[Any], bool], action: Callable[[], Any]) -> None:
        """Do something once when such a request arrives."""
        done: list[bool] = []

        def answer_and_act(request: Any, context: grpc.ServicerContext) -> Any:
            if at(request) and not done:
                done.append(True)
                self.seen = self.others()
                action()
            return answer(request, context)

        self.canned.answers = [answer_and_act]

    def others(self) -> list[psutil.Process]:
        assert self.program is not None
        return psutil.Process(self.program.pid).children()

    def run(self, *flags: str, processes: int = 2) -> tuple[int, bytes]:
        """Return exit code and messages of a run to the output, after which nothing runs on."""
        with subprocess.Popen(
            self.command(f"--output={self.out}", *flags, processes=processes),
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as self.program:
            _, errors = self.program.communicate(timeout=PATIENCE_SECONDS)
        self.check_that_all_ended()
        return self.program.returncode, errors

    def check_that_all_ended(self) -> None:
        _, alive = psutil.wait_procs(self.seen, PATIENCE_SECONDS)
        assert not alive

    def check_beginning(self) -> int:
        """Check that the output is the beginning of what is expected; return its whole lines."""
        found = self.out.read_bytes()
        assert self.expected.startswith(found)
        return found.count(b"\n")

    def go_on(self) -> None:
        """Check that a second run does the rest."""
        self.canned.answers = [answer]
        assert self.run() == (0, b"")
        assert self.out.read_bytes() == self.expected


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("shared")
    reports, out = folder / "reports.jsonl", folder / "expected.jsonl"
    reports.write_bytes(b"".join(make_line(number) + b"\n" for number in range(LINES)))
    with start_canned_server() as canned:
        canned.answers = [answer]
        flags = [f"--target={canned.target}", f"--output={out}", "--processes=1"]
        assert main(["symbolicate", str(reports), *flags]) == 0
        yield Site(canned, folder, reports, out.read_bytes())


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    made.canned.answers, made.canned.requests = [answer], []
    return Site(made.canned, tmp_path, made.reports, made.expected)


def test_several_processes_write_what_one_writes(site: Site) -> None:
    site.do(lambda request: last_line(request) >= LATE, lambda: None)
    assert site.run(processes=3) == (0, b"")
    assert len(site.seen) == 2
    assert site.out.read_bytes() == site.expected


def make_odd_lines(random: Random) -> Iterator[bytes]:
    good = {"memoryMap": [["xul.pdb", "AB0"]], "stacks": [[[0, 1], [0, 2]]]}
    refused = good | {"memoryMap": [["refused.so", "AB0"]]}
    kinds: Sequence[Any] = (good, {"jobs": [good, good]}, {"jobs": []}, {"jobs": [7]})
    kinds = (*kinds, {"jobs": [good, refused]}, good | {"version": 4})
    for _ in range(601):
        line = random.choice([b"", b"{", *(json.dumps(kind).encode() for kind in kinds)])
        yield line.ljust(random.choice([0, 10, 1_000, BLOCK_BYTES // 3, BLOCK_BYTES * 2]))


@pytest.mark.parametrize(
    ("pack", "form"), [(bytes, "json"), (gzip.compress, "text")], ids=["plain", "gzip"]
)
def test_odd_lines_are_answered_in_their_places(
    site: Site, pack: Callable[[bytes], bytes], form: str
) -> None:
    site.reports = site.folder / "odd.jsonl"
    lines = list(make_odd_lines(Random(5)))[: None if pack is bytes else 200]
    site.reports.write_bytes(pack(b"\n".join(lines)))  # without a newline at the end
    one, several = (
        subprocess.run(
            site.command(f"--format={form}", "--progress", processes=processes),
            check=False,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )
        for processes in (1, 3)
    )
    assert one.returncode == several.returncode == 3
    assert one.stdout == several.stdout
    counts = [done.stderr.decode().splitlines()[-1].rpartition(", ")[0] for done in (one, several)]
    assert counts[0] == counts[1]  # of reports, of refused ones, and the share of the input


def test_an_output_that_was_cut_off_anywhere_is_resumed(site: Site) -> None:
    random = Random(3)
    for _ in range(2):
        site.out.write_bytes(site.expected[: random.randrange(len(site.expected))])
        assert site.run() == (0, b"")
        assert site.out.read_bytes() == site.expected


def kill_first(site: Site) -> None:
    assert site.program is not None
    site.program.kill()


def kill_other(site: Site) -> None:
    site.seen[0].kill()


def interrupt_all(site: Site) -> None:
    assert site.program is not None
    os.killpg(site.program.pid, signal.SIGINT)  # as a terminal does


@pytest.mark.parametrize("is_first", [True, False])
def test_a_run_whose_first_process_is_killed_is_resumed_at_once(site: Site, is_first: bool) -> None:
    site.do(
        lambda request: last_line(request) >= LATE and is_for_first(request) == is_first,
        lambda: kill_first(site),
    )
    assert site.run()[0] == -signal.SIGKILL
    assert 0 < site.check_beginning() < LINES
    site.go_on()


def test_a_process_that_is_killed_ends_the_run(site: Site) -> None:
    site.do(lambda request: last_line(request) >= LATE, lambda: kill_other(site))
    code, errors = site.run()
    assert code == 1
    assert errors.decode() == (
        "symbolon: a process of this run was killed by SIGKILL. What is written is complete up to "
        "there; with --output the same command goes on.\n"
    )
    assert 0 < site.check_beginning() < LINES


def test_one_of_three_processes_that_is_killed_ends_the_others(site: Site) -> None:
    site.do(lambda request: last_line(request) >= LATE, lambda: kill_other(site))
    code, errors = site.run(processes=3)
    assert (code, errors.count(b"\n")) == (1, 1)
    assert site.check_beginning() < LINES


def test_an_interrupted_run_says_so_once(site: Site) -> None:
    site.do(lambda request: last_line(request) >= LATE, lambda: interrupt_all(site))
    assert site.run() == (130, b"symbolon: interrupted\n")
    assert 0 < site.check_beginning() < LINES


@pytest.mark.parametrize("is_first", [True, False])
def test_an_error_of_one_process_is_that_of_the_run(site: Site, is_first: bool) -> None:
    def stop_late(request: Any, context: grpc.ServicerContext) -> Any:
        if last_line(request) >= LATE and is_for_first(request) == is_first:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is not known any more")
        return answer(request, context)

    site.canned.answers = [stop_late]
    code, errors = site.run()
    assert code == 1
    assert errors.count(b"the token is not known any more") == errors.count(b"\n") == 1
    assert LINES / 2 < site.check_beginning() < LINES
    assert site.out.read_bytes().endswith(b"\n")


def test_an_output_that_cannot_grow_is_bad_input(site: Site) -> None:
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 10000; exec "$@"', "-", *site.command(f"--output={site.out}")],
        check=False,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2
    assert done.stderr.decode() == f"symbolon: cannot write {site.out}: File too large\n"
    assert 0 < site.check_beginning() < LINES


def test_a_reader_that_leaves_ends_the_run(site: Site) -> None:
    with subprocess.Popen(
        site.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as program:
        site.program = program
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == site.expected.partition(b"\n")[0] + b"\n"
        site.seen = site.others()
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 0
    site.check_that_all_ended()


def test_lines_that_are_added_during_a_run_are_left_to_the_next(site: Site) -> None:
    grown = site.folder / "grown.jsonl"
    grown.write_bytes(site.reports.read_bytes())
    site.reports = grown

    def grow() -> None:
        with grown.open("ab") as file:
            file.writelines(make_line(number) + b"\n" for number in range(LINES))

    site.do(lambda _: True, grow)
    assert site.run() == (0, b"")
    assert site.out.read_bytes() == site.expected
    assert site.run() == (0, b"")
    assert site.out.read_bytes() == site.expected * 2


def test_a_run_waits_for_another_that_writes_the_same_file(site: Site) -> None:
    with site.out.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with subprocess.Popen(
            site.command(f"--output={site.out}"), stderr=subprocess.PIPE
        ) as program:
            assert program.stderr is not None
            said = f"symbolon: waits for another run that writes {site.out}\n"
            assert program.stderr.readline().decode() == said
            assert not site.canned.requests
            file.write(site.expected)
            file.flush()
            fcntl.flock(file, fcntl.LOCK_UN)
            assert program.stderr.read() == b""
    assert program.returncode == 0
    assert site.out.read_bytes() == site.expected


def test_all_processes_send_the_token_of_the_file(site: Site) -> None:
    token = site.folder / "token"
    token.write_text("sesame\n")
    site.canned.authorizations.clear()
    site.do(lambda request: last_line(request) >= LATE, lambda: None)
    assert site.run(f"--token-file={token}") == (0, b"")
    assert len(site.seen) == 1
    assert set(site.canned.authorizations) == {"Bearer sesame"}


def test_a_token_that_can_be_read_only_once_is_for_one_process(site: Site) -> None:
    site.do(lambda _: True, lambda: None)
    done = subprocess.run(
        [*site.command(f"--output={site.out}"), "--token-file=/dev/stdin"],
        input=b"sesame",
        check=False,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert site.out.read_bytes() == site.expected


def test_standard_input_is_read_by_one_process(site: Site) -> None:
    command = site.command()
    command[command.index(str(site.reports))] = "-"
    with site.reports.open("rb") as file:
        done = subprocess.run(
            command, stdin=file, check=True, capture_output=True, timeout=PATIENCE_SECONDS
        )
    assert done.stdout == site.expected


@pytest.mark.parametrize("count", ["0", "-1", "65", "two", "1.5"])
def test_a_number_of_processes_is_checked(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["symbolicate", f"--processes={count}"])
    assert "is not a number from 1 to 64" in capsys.readouterr().err
