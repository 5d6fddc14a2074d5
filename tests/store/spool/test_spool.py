"""What the spool keeps, for how long, and in how many bytes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from symbolon_server.store.spool import SkipReason, Spool, SpoolCounts
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import PageKey
from symbolon_server.symbols.paging.envelope import FORMAT_VERSION
from tests.store.spool.conftest import (
    FakeClock,
    Skips,
    held_bytes,
    make_module,
    put,
)
from tests.store.spool.conftest import has as has_module

MODULE = make_module(1)


def test_a_module_put_is_read_by_any_spool_on_its_folder(folder: Path, spool: Spool) -> None:
    assert put(spool, MODULE)

    other = Spool(folder, 1_000_000)
    assert other.get_directories([MODULE.module_id]) == [MODULE.directory]
    assert other.get_pages(MODULE.keys) == list(MODULE.pages)


def test_answers_come_in_the_order_asked(spool: Spool) -> None:
    other = make_module(2)
    put(spool, MODULE)
    put(spool, other)
    absent = PageKey(make_module(3).module_id, "1-0", 0)

    keys = [other.keys[2], absent, MODULE.keys[0], other.keys[0], other.keys[2]]
    assert spool.get_pages(keys) == [
        other.pages[2],
        None,
        MODULE.pages[0],
        other.pages[0],
        other.pages[2],
    ]
    module_ids = [other.module_id, absent.module_id, MODULE.module_id]
    assert spool.get_directories(module_ids) == [other.directory, None, MODULE.directory]
    assert spool.get_pages([]) == spool.get_directories([]) == []


def test_pages_of_another_generation_are_misses(spool: Spool) -> None:
    put(spool, MODULE)

    assert spool.get_pages([PageKey(MODULE.module_id, "1-00", 0)]) == [None]


@pytest.mark.parametrize("number", [-1, 3, 2**40])
def test_pages_past_the_end_are_misses(spool: Spool, number: int) -> None:
    put(spool, MODULE)

    assert spool.get_pages([PageKey(MODULE.module_id, MODULE.generation, number)]) == [None]


def test_a_module_put_again_replaces_the_earlier_one(spool: Spool) -> None:
    newer = make_module(2, module_id=MODULE.module_id)
    put(spool, MODULE)
    put(spool, newer)

    assert spool.get_directories([MODULE.module_id]) == [newer.directory]
    assert spool.get_pages(MODULE.keys) == [None] * 3


def test_a_module_without_pages_is_kept(spool: Spool) -> None:
    empty = make_module(1, pages=0)

    assert put(spool, empty)
    assert spool.get_directories([empty.module_id]) == [empty.directory]


def test_a_forgotten_module_is_gone(spool: Spool, skips: Skips) -> None:
    put(spool, MODULE)
    spool.forget(MODULE.module_id)
    spool.forget(MODULE.module_id)
    spool.forget(make_module(2).module_id)

    assert not has_module(spool, MODULE)
    assert skips.reasons == []


def test_single_pages_and_directories_are_not_kept(spool: Spool, folder: Path) -> None:
    spool.put_pages(dict(zip(MODULE.keys, MODULE.pages, strict=True)))
    spool.put_directories({MODULE.module_id: MODULE.directory})

    assert not folder.exists()


def test_a_spool_has_the_number_of_its_folder(folder: Path) -> None:
    numbers = [Spool(path, 1).number() for path in (folder, folder, folder / "other")]
    assert numbers[0] == numbers[1] != numbers[2]
    assert all(0 < number < 2**53 for number in numbers)
    assert Spool(folder, 0).number() == 0


def test_a_spool_of_no_bytes_touches_nothing(folder: Path, skips: Skips) -> None:
    put(Spool(folder, 1_000_000), MODULE)
    before = sorted(folder.rglob("*"))
    spool = Spool(folder, 0, skips)
    spool.forget(MODULE.module_id)

    assert not put(spool, make_module(2))
    assert not has_module(spool, MODULE)
    assert spool.counts().entries == spool.counts().stored_bytes == spool.counts().max_bytes == 0
    assert sorted(folder.rglob("*")) == before
    assert skips.reasons == []


@pytest.mark.parametrize(
    "name", ["lock", "unfinished", f"v{FORMAT_VERSION}", "a b+c#%2e", "x" * 255, "\u202eexe"]
)
def test_any_debug_file_can_be_kept(spool: Spool, name: str) -> None:
    module = make_module(1, module_id=ModuleId.parse(name, "A" * 33))

    assert put(spool, module)
    assert has_module(spool, module)


def test_the_bytes_are_bounded_after_every_put(folder: Path) -> None:
    spool = Spool(folder, 200_000)
    for number in range(60):
        module = make_module(number, pages=number % 7, page_bytes=1 + 5000 * (number % 4))
        assert put(spool, module)
        assert has_module(spool, module)
        assert held_bytes(folder) <= 200_000
    assert held_bytes(folder) > 100_000


def test_it_counts_contents_hits_and_misses(spool: Spool, folder: Path) -> None:
    assert spool.counts() == SpoolCounts(0, 0, 1_000_000, 0, 0)
    other = Spool(folder, 1_000_000)
    put(other, MODULE)
    put(other, make_module(2, pages=0))
    absent = make_module(3)
    spool.get_directories([MODULE.module_id, absent.module_id])
    spool.get_pages([*MODULE.keys, *absent.keys, PageKey(MODULE.module_id, "1-00", 0)])

    counts = spool.counts()
    assert counts == SpoolCounts(2, counts.stored_bytes, 1_000_000, hits=1 + 3, misses=1 + 3 + 1)
    assert held_bytes(folder) <= counts.stored_bytes < held_bytes(folder) + 2 * 4096
    assert (other.counts().hits, other.counts().misses) == (0, 0)


def test_every_lookup_of_concurrent_threads_is_counted(spool: Spool) -> None:
    put(spool, MODULE)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: spool.get_pages(MODULE.keys), range(400)))

    assert spool.counts().hits == 400 * len(MODULE.keys)


def test_the_most_recently_used_modules_stay(folder: Path, clock: FakeClock) -> None:
    spool = Spool(folder, 200_000, clock=clock)
    modules = [make_module(number) for number in range(5)]
    for module in modules:
        clock.now += 1000
        put(spool, module)
    clock.now += 1000
    assert has_module(spool, modules[0])
    for number in range(5, 8):
        clock.now += 1000
        put(spool, make_module(number))

    assert [has_module(spool, module) for module in modules] == [True, False, False, True, True]


def test_a_folder_without_page_files_is_removed(folder: Path) -> None:
    spool = Spool(folder, 50_000)
    spool.put_module(ModuleId.parse("old.so", "A" * 33), MODULE.directory, MODULE.pages)
    put(spool, MODULE)

    assert [path.name for path in (folder / f"v{FORMAT_VERSION}").iterdir()] == ["libc.so"]


def test_a_use_is_recorded_periodically(spool: Spool, folder: Path, clock: FakeClock) -> None:
    put(spool, MODULE)
    (path,) = folder.glob("v*/*/*")
    put_at = clock.now
    clock.now += 200
    has_module(spool, MODULE)
    assert path.stat().st_mtime == put_at
    clock.now += 200
    has_module(spool, MODULE)
    assert path.stat().st_mtime == clock.now


def test_a_use_is_recorded_after_the_clock_was_set_back(
    spool: Spool, folder: Path, clock: FakeClock
) -> None:
    put(spool, MODULE)
    (path,) = folder.glob("v*/*/*")
    clock.now -= 1_000_000
    has_module(spool, MODULE)

    assert path.stat().st_mtime == clock.now


def test_a_module_larger_than_the_spool_evicts_nothing(
    spool: Spool, folder: Path, skips: Skips
) -> None:
    put(spool, MODULE)

    assert not put(spool, make_module(2, pages=101))
    assert has_module(spool, MODULE)
    assert held_bytes(folder) < 50_000
    assert skips.reasons == [SkipReason.TOO_LARGE]


def test_page_files_of_other_versions_count_and_go_first(folder: Path, clock: FakeClock) -> None:
    old = folder / "v0" / "libc.so" / "A.pages"
    old.parent.mkdir(parents=True)
    old.write_bytes(bytes(30_000))
    spool = Spool(folder, 80_000, clock=clock)
    put(spool, MODULE)
    assert old.exists()
    put(spool, make_module(2))

    assert not old.exists()
    assert has_module(spool, MODULE)
    assert held_bytes(folder) <= 80_000


def test_a_spool_that_became_smaller_shrinks_with_the_next_put(folder: Path) -> None:
    for number in range(10):
        put(Spool(folder, 1_000_000), make_module(number))
    put(Spool(folder, 100_000), make_module(10))

    assert held_bytes(folder) <= 100_000


@pytest.mark.parametrize("account", [b"", b"x" * 20, b"9" * 20, b"0" * 19, b"-0000000000000000001"])
def test_a_wrong_account_is_corrected(folder: Path, account: bytes) -> None:
    spool = Spool(folder, 100_000)
    put(spool, MODULE)
    (folder / "lock").write_bytes(account)
    for number in range(2, 9):
        assert put(spool, make_module(number))
        assert held_bytes(folder) <= 100_000


def test_a_folder_emptied_manually_is_filled_again(spool: Spool, folder: Path) -> None:
    put(spool, MODULE)
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert not has_module(spool, MODULE)
    assert put(spool, MODULE)
    assert has_module(spool, MODULE)


def test_leftovers_of_a_killed_writer_are_overwritten(spool: Spool, folder: Path) -> None:
    put(spool, make_module(2))
    (folder / "unfinished").write_bytes(bytes(500_000))

    assert put(spool, MODULE)
    assert has_module(spool, MODULE)
    assert not (folder / "unfinished").exists()
