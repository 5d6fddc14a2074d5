"""Disks that are full, read-only or broken, foreign files, and concurrent writers."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from symbolon_server.store import spool as spool_module
from symbolon_server.store.spool import SkipReason, Spool, SpoolCounts
from symbolon_server.symbols.paging.file import PageFile
from tests.store.spool.conftest import Skips, has, held_bytes, locked, make_module, put

MODULE = make_module(1)


@pytest.fixture
def path(spool: Spool, folder: Path) -> Path:
    """The page file of `MODULE`."""
    put(spool, MODULE)
    (path,) = folder.glob("v*/*/*")
    return path


def test_a_truncated_page_file_is_a_miss_and_removed(
    spool: Spool, path: Path, skips: Skips
) -> None:
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert not has(spool, MODULE)
        assert not path.exists()
    assert set(skips.reasons) == {SkipReason.DAMAGED}


def test_a_page_file_with_any_byte_changed_yields_nothing_wrong(spool: Spool, path: Path) -> None:
    whole = path.read_bytes()
    for place in [*range(200), *range(200, len(whole), 97), len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        has(spool, MODULE)


def test_bytes_after_the_end_yield_nothing_wrong(spool: Spool, path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")
    has(spool, MODULE)


def _put_text(path: Path) -> None:
    path.write_text("not a page file at all, but rather long\n" * 100)


def _put_folder(path: Path) -> None:
    path.mkdir()


def _put_pipe(path: Path) -> None:
    os.mkfifo(path)


def _put_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("put_foreign", [_put_text, _put_folder, _put_pipe, _put_link])
def test_a_foreign_file_is_a_miss(
    spool: Spool, path: Path, skips: Skips, put_foreign: Callable[[Path], None]
) -> None:
    path.unlink()
    put_foreign(path)

    assert not has(spool, MODULE)
    assert skips.reasons


def test_a_damaged_file_is_logged_once(
    spool: Spool, path: Path, skips: Skips, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        path.write_bytes(b"damaged")
        spool.get_directories([MODULE.module_id])

    assert skips.reasons == [SkipReason.DAMAGED] * 5
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(MODULE.module_id) in caplog.text


def test_an_unreadable_folder_counts_as_empty(tmp_path: Path, skips: Skips) -> None:
    spool = Spool(tmp_path / ("too long a name " * 20), 1_000_000, skips)
    assert spool.counts() == SpoolCounts(0, 0, 1_000_000, 0, 0)
    assert skips.reasons == [SkipReason.FAILED]


def test_a_file_in_place_of_the_folder_is_skipped(folder: Path, skips: Skips) -> None:
    folder.parent.mkdir()
    folder.write_text("")
    spool = Spool(folder, 1_000_000, skips)
    spool.forget(MODULE.module_id)

    assert not put(spool, MODULE)
    assert not has(spool, MODULE)
    assert skips.reasons == [SkipReason.FAILED]


@pytest.mark.promise("A full or forbidden disk costs the spool only, and one line in the log")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission_is_skipped(tmp_path: Path, mode: int) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PUT_WITHOUT_PERMISSION, str(mode)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.stdout.split() == ["False", "False", "no_permission"], run.stderr


PUT_WITHOUT_PERMISSION = """
import os, sys, tempfile
from pathlib import Path
from symbolon_server.store.spool import Spool
from tests.store.spool.conftest import Skips, has, make_module, put

module, skips = make_module(1), Skips()
with tempfile.TemporaryDirectory() as folder:
    os.chmod(folder, int(sys.argv[1]))
    if os.geteuid() == 0:  # root may write everywhere
        os.seteuid(65534)
    spool = Spool(Path(folder), 1_000_000, skips)
    print(put(spool, module), has(spool, module), *{reason.value for reason in skips.reasons})
    if os.getuid() == 0:
        os.seteuid(0)
    os.chmod(folder, 0o700)
"""


@pytest.mark.promise("Damaged page files change no answer", group="pages")
def test_a_page_file_truncated_during_a_read_yields_nothing_wrong(
    spool: Spool, path: Path, skips: Skips
) -> None:
    """With a memory-mapped file the process would end here with SIGBUS."""

    def cut_and_read(file: PageFile) -> bytes:
        os.truncate(path, 4096)
        return file.page(2)

    assert spool._read(MODULE.module_id, cut_and_read) in {b"", None}


def test_a_full_disk_is_skipped_and_leaves_nothing_behind(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PUT_ON_A_FULL_DISK, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert run.stdout.split() == ["False", "no_space", "False", "True", "True"], run.stderr
    assert held_bytes(folder) < 20_000


PUT_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from symbolon_server.store.spool import Spool
from tests.store.spool.conftest import Skips, has, make_module, put

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
folder, skips = Path(sys.argv[1]), Skips()
spool = Spool(folder, 45_000, skips)
print(put(spool, make_module(1)), skips.reasons[0].value, (folder / "unfinished").exists())
small = make_module(2, pages=1)
print(put(spool, small), has(spool, small))
"""


def test_a_hanging_writer_delays_others_for_a_bounded_time(
    spool: Spool, path: Path, folder: Path, skips: Skips, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert path.exists()
    monkeypatch.setattr(spool_module, "_LOCK_WAIT_SECONDS", 0.05)
    with locked(folder):
        assert not put(spool, make_module(2))
        assert has(spool, MODULE)
    assert skips.reasons == [SkipReason.BUSY]
    assert put(spool, make_module(2))


@pytest.mark.promise("The spool stays within its bound at all times", group="limits")
def test_processes_that_share_a_spool_stay_within_its_bytes(folder: Path) -> None:
    command = [sys.executable, "-c", PUT_AND_READ_MANY, str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [
        subprocess.Popen([*command, str(seed)], env=environment, stdout=subprocess.PIPE)
        for seed in range(3)
    ]
    outputs = [writer.communicate(timeout=100)[0] for writer in writers]

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert outputs == [b"kept 40\n"] * 3
    assert held_bytes(folder) <= 150_000


PUT_AND_READ_MANY = """
import random, sys
from pathlib import Path
from symbolon_server.store.spool import Spool
from tests.store.spool.conftest import has, held_bytes, make_module, put

folder, choice = Path(sys.argv[1]), random.Random(sys.argv[2])
spool = Spool(folder, 150_000)
modules = [make_module(number) for number in range(12)]
kept = 0
for _ in range(40):
    kept += put(spool, choice.choice(modules))
    assert held_bytes(folder) <= 150_000
    for module in modules:
        has(spool, module)
print("kept", kept)
"""
