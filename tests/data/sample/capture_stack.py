"""Runs a program within gdb until it crashes, and writes its stack as two v5 reports.

gdb runs this file: see make-sample.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import gdb  # type: ignore[import-untyped]  # exists only within gdb

HERE = Path(__file__).resolve().parent


def read_debug_id(path: str) -> str:
    """Return the debug id of an ELF file: its build id's first 16 bytes as a GUID, age 0."""
    notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True)
    found = re.search(r"Build ID: ([0-9a-f]+)", notes.stdout)
    if found is None:
        raise LookupError(f"no build id in {path}")
    build_id = found[1].ljust(32, "0")
    numbers = [build_id[0:8], build_id[8:12], build_id[12:16]]
    swapped = "".join(bytes.fromhex(number)[::-1].hex() for number in numbers)
    return (swapped + build_id[16:32]).upper() + "0"


def read_load_bases() -> dict[str, int]:
    """Return the address at which each file of the process is loaded."""
    bases: dict[str, int] = {}
    for line in gdb.execute("info proc mappings", to_string=True).splitlines():
        columns = line.split()
        if columns and columns[-1].startswith("/"):
            bases.setdefault(columns[-1], int(columns[0], 16))
    return bases


def read_frames() -> list[int]:
    """Return the frames' instruction addresses, innermost first, without inline frames."""
    addresses = []
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() == gdb.NORMAL_FRAME:
            addresses.append(frame.pc())
        frame = frame.older()
    return addresses


def find_module(address: int, bases: dict[str, int]) -> str:
    """Return the file that the address is in."""
    for path in sorted(bases, key=bases.__getitem__, reverse=True):
        if bases[path] <= address:
            return path
    raise LookupError(hex(address))


def make_report(addresses: list[int], bases: dict[str, int], *, step_back: bool) -> dict[str, Any]:
    """Return a report; with step_back, callers' offsets are within their call instructions."""
    modules: list[str] = []
    stack: list[list[int]] = []
    for position, address in enumerate(addresses):
        path = find_module(address, bases)
        if path not in modules:
            modules.append(path)
        step = 1 if step_back and position else 0
        stack.append([modules.index(path), address - bases[path] - step])
    memory_map = [[Path(path).name, read_debug_id(path)] for path in modules]
    return {"jobs": [{"memoryMap": memory_map, "stacks": [stack]}]}


def write_readable(report: dict[str, Any]) -> str:
    """Return the report as JSON, one module or frame a line."""
    [job] = report["jobs"]
    modules = ",\n      ".join(json.dumps(module) for module in job["memoryMap"])
    frames = ",\n       ".join(json.dumps(frame) for frame in job["stacks"][0])
    job_text = f'"memoryMap": [\n      {modules}],\n    "stacks": [\n      [{frames}]]'
    return f'{{"jobs": [\n   {{{job_text}}}]}}\n'


gdb.execute("set backtrace past-main on")
gdb.execute("set backtrace past-entry on")
gdb.execute("run")
load_bases = read_load_bases()
crash = read_frames()
for name, step_back in (("crash.json", True), ("crash-return-addresses.json", False)):
    report = make_report(crash, load_bases, step_back=step_back)
    (HERE / name).write_text(write_readable(report), encoding="utf-8")
