"""Clients whose library has a limit of 4 MiB: what fits, and what the guide says to do."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
import pytest

from symbolon.v1.module_pb2 import Module
from symbolon.v1.stack_pb2 import Frame, Stack
from symbolon.v1.symbolication_service_pb2 import SymbolicateRequest, SymbolicateResponse
from symbolon.v1.symbolication_service_pb2_grpc import SymbolicationServiceStub
from symbolon_server.settings import Settings
from tests.app.conftest import PATIENCE_SECONDS, ROOT, environment_in, starting
from tests.others.installed import grpcurl_program

GUIDE = (ROOT / "docs" / "large-answers.md").read_text(encoding="utf-8")
STOCK_BYTES = 4 << 20
DEBUG_ID = "AB" * 16 + "0"
MODULE_BYTES = 8
END = 0x8000_0000
"""Of the only function: offsets below take as many bytes as any in a module of 2 GiB."""

LINE = 99_999


class Row(NamedTuple):
    """A row of the guide's first table."""

    names: int
    inlines: int
    inline_names: int
    frame_bytes: int
    frames: int

    @property
    def module(self) -> str:
        return f"m{self.names:04}{self.inlines:03}"


ROWS = [
    Row(*(int(cell.replace(",", "")) for cell in row))
    for row in re.findall(r"^\|" + r" ([\d,]+) \|" * len(Row._fields) + "$", GUIDE, re.MULTILINE)
]


def write_symbols(row: Row) -> str:
    """Return a symbol file of one function, whose frames have names of the row's sizes."""
    file = "f" * ((row.names - MODULE_BYTES) // 2)
    function = "x" * (row.names - MODULE_BYTES - len(file))
    inline_file = "g" * (row.inline_names // 2)
    origin = "y" * (row.inline_names - len(inline_file))
    lines = [
        f"MODULE Linux x86_64 {DEBUG_ID} {row.module}",
        f"FILE 0 {file}",
        f"FILE 1 {inline_file}",
        f"INLINE_ORIGIN 0 {origin}",
        f"FUNC 0 {END:x} 0 {function}",
        *(f"INLINE {n} {LINE} {min(n, 1)} 0 0 {END:x}" for n in range(row.inlines)),
        f"0 {END:x} {LINE} {min(row.inlines, 1)}",
    ]
    return "\n".join(lines) + "\n"


def ask(row: Row, frames: int) -> SymbolicateRequest:
    asked = [Frame(module_index=0, module_offset=END - 1 - n % 1_000) for n in range(frames)]
    return SymbolicateRequest(
        modules=[Module(debug_file=row.module, debug_id=DEBUG_ID)], stacks=[Stack(frames=asked)]
    )


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a module for each row."""
    folder, symbols = tmp_path_factory.mktemp("stock"), tmp_path_factory.mktemp("symbols")
    for row in ROWS:
        place = symbols / row.module / DEBUG_ID
        place.mkdir(parents=True)
        (place / f"{row.module}.sym").write_text(write_symbols(row))
    with starting(environment_in(folder), folder) as start:
        yield start("serve", listen="127.0.0.1:0", suppliers=str(symbols)).await_address()


def symbolicate(
    target: str, row: Row, frames: int, *options: tuple[str, int]
) -> SymbolicateResponse:
    with grpc.insecure_channel(target, options=options) as channel:
        stub = SymbolicationServiceStub(channel)
        answer: SymbolicateResponse = stub.Symbolicate(ask(row, frames), timeout=PATIENCE_SECONDS)
    return answer


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.frame_bytes} bytes")
def test_as_many_frames_fit_as_the_guide_says(target: str, row: Row) -> None:
    of_frame, of_inline = map(int, re.findall(r"at most (\d+) more", " ".join(GUIDE.split())))
    stated = row.names + of_frame + row.inlines * (row.inline_names + of_inline)
    assert row.frame_bytes == stated
    assert row.frames * stated <= STOCK_BYTES
    answer = symbolicate(target, row, row.frames)
    (stack,) = answer.stacks
    frame = stack.frames[0]
    assert len(stack.frames) == row.frames
    assert len(frame.module) + len(frame.function) + len(frame.file) in {
        row.names,
        row.names - len(frame.file) + row.inline_names - row.inline_names // 2,
    }
    assert len(frame.inlines) == row.inlines
    a_frame = answer.ByteSize() / row.frames
    assert 0.6 * stated < a_frame <= stated


def test_what_does_not_fit_is_taken_with_the_option_of_the_guide(target: str) -> None:
    row = ROWS[0]
    frames = Settings().max_frames
    with pytest.raises(grpc.RpcError) as caught:
        symbolicate(target, row, frames)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"vs. {STOCK_BYTES}" in error.details()
    ((name, value),) = set(re.findall(r'options=\[\("(grpc\.\w+)", (\d+)\)\]', GUIDE))
    answer = symbolicate(target, row, frames, (name, int(value)))
    assert answer.ByteSize() > STOCK_BYTES
    assert len(answer.stacks[0].frames) == frames


def test_grpcurl_takes_it_with_the_flag_of_the_guide(target: str) -> None:
    row = ROWS[-1]
    frames = 2 * row.frames
    method = "symbolon.v1.SymbolicationService/Symbolicate"
    asked = [{"module_index": 0, "module_offset": END - 1}] * frames
    modules = [{"debug_file": row.module, "debug_id": DEBUG_ID}]
    question = json.dumps({"modules": modules, "stacks": [{"frames": asked}]})

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        command = [grpcurl_program(), "-plaintext", *flags, "-d", "@", target, method]
        return subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=100, check=False
        )

    refused = run()
    assert refused.returncode == 64 + grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    ((flag, value),) = re.findall(r"`(-max-msg-sz) (\d+)`", GUIDE)
    done = run(flag, value)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["stacks"][0]["frames"]) == frames
