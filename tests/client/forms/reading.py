"""Reads the crash of the sample as other programs print it."""

import json
from collections.abc import Sequence
from pathlib import Path

from symbolon._forms.documents import read_document
from symbolon._tecken.jobs import Job
from symbolon._tecken.requests import parse_jobs

DATA = Path(__file__).parents[2] / "data"
PASTED = DATA / "pasted"

ORCHARD = "C3D8E3C7B6594DF1DFCA907993B477250"
ORCHARD_BUILD_ID = "c7e3d8c359b6f14ddfca907993b47725c1d27eef"
LIBC = "EC61AC938E5A39B16F9FBD350E3169A50"
LIBC_BUILD_ID = "93ac61ec5a8eb1396f9fbd350e3169a558528a40"


def read(name: str) -> Job:
    return read_text((PASTED / name).read_bytes())


def read_text(text: bytes) -> Job:
    [job] = read_document(text, "input").jobs
    return job


def sample_offsets(name: str = "crash.json") -> Sequence[int]:
    [job] = parse_jobs(json.loads((DATA / "sample" / name).read_bytes()))
    return job.frames.offsets


def returning_offsets() -> list[int]:
    first, *callers = sample_offsets("crash-return-addresses.json")
    return [first, *(~offset for offset in callers)]


def stack(job: Job, number: int = 0) -> list[int]:
    """Return the offsets of a stack as they are sent."""
    first = sum(job.frames.lengths[:number])
    return list(job.encode().offsets[first : first + job.frames.lengths[number]])


def ids(job: Job) -> set[tuple[str, str, str]]:
    """Return the name, debug id and code id of each module as they are sent."""
    return {
        (module.sent.debug_file, module.sent.debug_id, module.sent.code_id)
        for module in job.modules
    }


BOTH = {("orchard", ORCHARD, ORCHARD_BUILD_ID), ("libc.so.6", LIBC, LIBC_BUILD_ID)}
