"""Compressed input."""

import gzip
import io
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from symbolon._forms.inputs import InputKind, read_input
from symbolon._forms.unpacking import unpack
from symbolon.command_line.arguments import main
from symbolon.errors import InvalidReportError
from tests.client.canned import CannedServer
from tests.client.naming import answer_by_name

Pack = Callable[[bytes], bytes]

CRASH = Path(__file__).parents[2] / "data" / "sample" / "crash.json"


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        zstandard.compress,
        lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
    ],
    ids=["gzip", "zstd", "two members"],
)
def test_a_compressed_report_is_answered_as_it_is_unpacked(
    canned: CannedServer,
    pack: Pack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    canned.answers = [answer_by_name]
    target = f"--target={canned.target}"
    packed = tmp_path / "packed"
    packed.write_bytes(pack(CRASH.read_bytes()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed.read_bytes())))
    printed = []
    for file in (str(CRASH), str(packed), "-"):
        assert main(["symbolicate", file, target]) == 0
        printed.append(capsys.readouterr().out)
    assert printed == printed[:1] * 3


def test_compressed_lines_are_read_one_by_one() -> None:
    lines = b'{"a": 1}\n{"b": 2}\n'
    given = read_input(io.BytesIO(gzip.compress(lines)), are_lines=False)
    assert given.kind is InputKind.LINES
    assert list(given.parts) == [(1, b'{"a": 1}\n'), (2, b'{"b": 2}\n')]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_more_than_the_limit_is_refused_before_it_is_all_unpacked(pack: Pack) -> None:
    unpacked = unpack(io.BytesIO(pack(bytes(20_000_000))), limit=1_000_000)
    unpacked.read(900_000)
    tracemalloc.start()
    with pytest.raises(InvalidReportError, match=r"more than 1,000,000 bytes: unpack it first"):
        unpacked.read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(bytes(9_000))[:-9],
        b"\x1f\x8b\x08\x00garbage",
        b"\x28\xb5\x2f\xfd" + b"\xff" * 99,
    ],
    ids=["cut gzip", "gzip", "zstd"],
)
def test_damaged_input_is_refused(damaged: bytes) -> None:
    with pytest.raises(InvalidReportError, match="the compressed input is damaged: "):
        unpack(io.BytesIO(damaged)).read()


def test_zstd_without_its_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InvalidReportError, match=r"zstandard unpacks: install it, or .*`zstd -dc"):
        unpack(io.BytesIO(zstandard.compress(b"{}")))
