"""The sample beside the tests is consistent."""

import json
from pathlib import Path

import pytest

from symbolon._tecken import requests as tecken
from symbolon._tecken.jobs import Job

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def read_job(name: str) -> Job:
    [job] = tecken.parse_jobs(json.loads((SAMPLE / name).read_bytes()))
    return job


@pytest.mark.parametrize("name", ["crash.json", "crash-return-addresses.json"])
def test_the_symbol_file_is_that_of_the_crashed_program(name: str) -> None:
    orchard = read_job(name).modules[0].module
    file = SAMPLE / "symbols" / orchard.debug_file / orchard.debug_id / "orchard.sym"
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"MODULE Linux x86_64 {orchard.debug_id} {orchard.debug_file}"


def test_the_two_reports_differ_in_the_offsets_of_callers_only() -> None:
    stepped, returning = read_job("crash.json"), read_job("crash-return-addresses.json")
    assert stepped.modules == returning.modules
    assert returning.frames.lengths == stepped.frames.lengths == [7]
    assert returning.frames.indexes == stepped.frames.indexes
    assert returning.frames.offsets == tuple(
        offset + (position > 0) for position, offset in enumerate(stepped.frames.offsets)
    )


def test_the_sample_is_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 60_000
