"""A day's reports: what clients send hour by hour, and what must come back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fixtures.symbol_server import SymbolServer
from tests.system.known_modules import SPACING, KnownModule, known_modules

MODULES_AT_FIRST: Final = 24
MODULES_AN_HOUR: Final = 4
"""How many new builds appear while others are used less and less."""

MODULES_A_REPORT: Final = 12
STACKS_A_REPORT: Final = 6
FRAMES_A_STACK: Final = 30

Report = Mapping[str, Any]
"""In the JSON of version 5, with a `memoryMap` and `stacks`."""


@dataclass(slots=True)
class DayTally:
    """What became of the reports of a day."""

    reports: int = 0
    frames: int = 0
    unanswered: int = 0
    """Frames that said why they have no answer."""

    wrong: int = 0
    failed: int = 0
    """Runs of a client that ended with an error, or without a line for each report."""


def modules_of(hour: int) -> list[KnownModule]:
    """Return the modules that crash in an hour: the newest ones."""
    first = hour * MODULES_AN_HOUR
    return known_modules(range(first, first + MODULES_AT_FIRST))


def publish(supplier: SymbolServer, hours: int) -> None:
    """Give a supplier the modules of so many hours."""
    for module in known_modules(range(modules_of(hours)[-1].number)):
        supplier.put(module.module_id, module.symbol_file())


def write_reports(path: Path, hour: int, count: int, random: Random) -> None:
    """Write the reports of one client in an hour, one a line."""
    with path.open("w", encoding="ascii") as file:
        for _ in range(count):
            file.write(json.dumps(report_of(modules_of(hour), random)) + "\n")


def report_of(modules: Sequence[KnownModule], random: Random) -> Report:
    """Return a report whose stacks go through some of these modules."""
    chosen = random.sample(modules, MODULES_A_REPORT)
    ids = [module.module_id for module in chosen]
    stacks = [
        [_frame(chosen, random) for _ in range(FRAMES_A_STACK)] for _ in range(STACKS_A_REPORT)
    ]
    return {"memoryMap": [[one.debug_file, one.debug_id] for one in ids], "stacks": stacks}


def _frame(modules: Sequence[KnownModule], random: Random) -> tuple[int, int]:
    """Return a frame; as in crash reports, few functions have most of the frames."""
    index = random.randrange(len(modules))
    functions = modules[index].functions + 2  # gaps and ends included
    return index, int(functions * random.random() ** 3) * SPACING + random.randrange(SPACING)


def compare(reports: Path, answers: Path, tally: DayTally) -> list[str]:
    """Add to a tally what has become of a file of reports; return what is wrong."""
    asked, found = (path.read_text().splitlines() for path in (reports, answers))
    tally.reports += len(asked)
    if len(asked) != len(found):
        tally.failed += 1
        return [f"{len(found)} answers to {len(asked)} reports"]
    problems = []
    for question, answer in zip(asked, found, strict=True):
        problems += _compare_one(json.loads(question), json.loads(answer), tally)
    tally.wrong += len(problems)
    return problems


def _compare_one(report: Report, answer: Any, tally: DayTally) -> list[str]:
    if "results" not in answer:
        return [f"no results: {answer}"]
    [result] = answer["results"]
    problems = []
    names = [f"{debug_file}/{debug_id}" for debug_file, debug_id in report["memoryMap"]]
    for stack, frames in zip(report["stacks"], result["stacks"], strict=True):
        for (index, offset), frame in zip(stack, frames, strict=True):
            tally.frames += 1
            debug_file, _ = report["memoryMap"][index]
            is_found = result["found_modules"][names[index]] is True
            if not is_found and "function" not in frame:
                tally.unanswered += 1
            # Frames that a server remembers are answered, and right, without their module, too.
            elif frame != _right_answer(frame["frame"], debug_file, offset):
                problems.append(f"{names[index]} at {offset:#x}: {frame}")
    return problems


def _right_answer(number: int, debug_file: str, offset: int) -> Mapping[str, Any]:
    """Return what a found module has to say about an offset."""
    place, rest = divmod(offset, SPACING)
    name = debug_file.removesuffix(".so")
    base = {"frame": number, "module": debug_file, "module_offset": hex(offset)}
    if rest >= SPACING // 2 or place >= KnownModule(0).functions:
        return base
    return base | {
        "function": f"{name}_0_{place}",
        "function_offset": hex(rest),
        "function_size": hex(SPACING // 2),
        "file": f"{name}.c",
        "line": place + 1,
    }
