"""What llvm-symbolizer and addr2line say about addresses: two readers that share no code."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from symbolon_server.symbols.ground.answers import Answer
from tests.debug_files.compiling import tool


class Frame(NamedTuple):
    """One function at an address; empty and 0 where unknown."""

    name: str
    file: str
    line: int


Frames = tuple[Frame, ...]
"""Innermost first."""

_UNKNOWN = {"??", "?", ""}
_PLACE = re.compile(r"(.*):(\d+|\?)(?: \(discriminator \d+\))?")


def ask_llvm(path: Path, addresses: Sequence[int], *options: str) -> list[Frames]:
    """Return the frames of each address by llvm-symbolizer."""
    program = [tool("llvm-symbolizer"), f"--obj={path}", "--inlines", "--output-style=JSON"]
    output = ask([*program, *(options or ["--no-demangle"])], addresses)
    answers = [json.loads(line).get("Symbol", []) for line in output.splitlines()]
    return [
        tuple(_frame(one["FunctionName"], one["FileName"], one["Line"]) for one in answer)
        for answer in answers
    ]


def ask_addr2line(path: Path, addresses: Sequence[int]) -> list[Frames]:
    """Return the frames of each address by addr2line."""
    program = [tool("addr2line"), f"--exe={path}", "--inlines", "--functions", "--addresses"]
    lines = iter(ask(program, addresses).splitlines())
    answers: list[list[Frame]] = []
    for line in lines:
        if re.fullmatch("0x[0-9a-f]{8,16}", line):
            answers.append([])
            continue
        place = _PLACE.fullmatch(next(lines))
        assert place is not None
        answers[-1].append(_frame(line, place[1], int(place[2].replace("?", "0"))))
    return [tuple(answer) for answer in answers]


def ask(command: Sequence[str], addresses: Iterable[int]) -> str:
    """Return what a program says about addresses, which it reads line by line."""
    text = "".join(f"{address:#x}\n" for address in addresses)
    return subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout


def _frame(name: str, file: str, line: int) -> Frame:
    if file in _UNKNOWN or not line:
        file, line = "", 0
    return Frame("" if name in _UNKNOWN else name, file and normpath(file), line)


def frames_of(answer: Answer | None) -> Frames:
    """Return an answer of ours in the form of the references."""
    return tuple(_frame(*each) for each in _each_frame(answer))


def _each_frame(answer: Answer | None) -> Iterator[tuple[str, str, int]]:
    if answer is None:
        return
    for inline in answer.inlines:
        yield inline.function, inline.file, inline.line
    yield answer.function, answer.file, answer.line
