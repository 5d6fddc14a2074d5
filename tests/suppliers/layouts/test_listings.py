"""Which directory listings are cached, for how long, and how many."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.suppliers.contents.limits import MIB
from symbolon_server.suppliers.layouts.listings import LISTING_SECONDS, MAX_LISTINGS, Listings
from tests.suppliers.conftest import FakeTime

HOUR = 3600.0


class Watched:
    """Listings that cache all directories, and count how often one was listed."""

    def __init__(self, clock: FakeTime, max_bytes: int = MIB) -> None:
        self.count = 0
        self._listings = Listings(max_bytes, self._list, clock.clock, lambda: time.time() + HOUR)

    def find(self, folder: Path, name: str) -> tuple[list[str], int]:
        """Return the names found, and how many directories were listed for them."""
        before = self.count
        return self._listings.find(folder, name), self.count - before

    def _list(self, descriptor: int) -> Iterator[str]:
        self.count += 1
        return iter(os.listdir(descriptor))


@pytest.fixture
def watched(fake_time: FakeTime) -> Watched:
    return Watched(fake_time)


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


NAMES = st.text(st.sampled_from("aAbBéÉß.x\udcff"), min_size=1, max_size=4).filter(
    lambda name: name.strip(".")
)


@given(folders=st.lists(st.sets(NAMES, max_size=6), min_size=1, max_size=3), name=NAMES)
def test_find_agrees_with_a_scan_of_all_names(folders: list[set[str]], name: str) -> None:
    watched = Watched(FakeTime())
    with TemporaryDirectory() as root:
        for number, names in enumerate(folders):
            fill(Path(root, str(number)), *names)
        for expected_count in (1, 0):
            for number, names in enumerate(folders):
                same = sorted(other for other in names if other.lower() == name.lower())
                assert watched.find(Path(root, str(number)), name) == (same, expected_count)


def test_a_new_name_is_found_at_once(watched: Watched, tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", "other")
    assert watched.find(folder, "new") == ([], 1)
    os.utime(folder, (1, 1))
    assert watched.find(folder, "new") == ([], 1)
    fill(folder, "NEW")
    assert watched.find(folder, "new") == (["NEW"], 1)
    assert watched.find(folder, "new") == (["NEW"], 0)


def test_a_listing_expires_even_if_the_directory_time_does_not_change(
    watched: Watched, fake_time: FakeTime, tmp_path: Path
) -> None:
    folder = fill(tmp_path / "folder")
    os.utime(folder, (1, 1))
    assert watched.find(folder, "new") == ([], 1)
    fill(folder, "NEW")
    os.utime(folder, (1, 1))
    fake_time.sleep(LISTING_SECONDS - 0.1)
    assert watched.find(folder, "new") == ([], 0)
    fake_time.sleep(0.1)
    assert watched.find(folder, "new") == (["NEW"], 1)


def test_a_folder_that_just_changed_is_not_cached(tmp_path: Path) -> None:
    """Two changes within one tick of the file system's clock would look like one."""
    listings = Listings()
    folder = fill(tmp_path / "folder")
    for number in range(100):
        assert listings.find(folder, f"NEW{number}") == []
        fill(folder, f"new{number}")
        assert listings.find(folder, f"NEW{number}") == [f"new{number}"]


def test_a_folder_with_too_many_names_is_listed_each_time_and_drops_no_other(
    fake_time: FakeTime, tmp_path: Path
) -> None:
    watched = Watched(fake_time, max_bytes=4096)
    small = fill(tmp_path / "small", "A")
    large = fill(tmp_path / "large", *(f"{number:04}" for number in range(1000)), "A")
    assert watched.find(small, "a") == (["A"], 1)
    for _ in range(2):
        assert watched.find(large, "a") == (["A"], 1)
        assert watched.find(small, "a") == (["A"], 0)


def test_listings_that_do_not_fit_together_replace_each_other(
    fake_time: FakeTime, tmp_path: Path
) -> None:
    watched = Watched(fake_time, max_bytes=4096)
    folders = [fill(tmp_path / str(n), *(f"NAME-{m:030}" for m in range(20))) for n in range(5)]
    for _ in range(2):
        for folder in folders:
            assert watched.find(folder, f"name-{7:030}")[0] == [f"NAME-{7:030}"]
            assert watched.find(folder, f"name-{8:030}") == ([f"NAME-{8:030}"], 0)


def test_no_more_listings_than_the_limit_are_kept(watched: Watched, tmp_path: Path) -> None:
    folders = [fill(tmp_path / str(number), "A") for number in range(MAX_LISTINGS + 1)]
    for folder in folders:
        assert watched.find(folder, "a") == (["A"], 1)
    assert watched.find(folders[-1], "a") == (["A"], 0)
    assert watched.find(folders[0], "a") == (["A"], 1)


@pytest.mark.parametrize("name", ["gone", "file"])
def test_a_folder_that_cannot_be_listed_raises(watched: Watched, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=name):
        watched.find(tmp_path / name, "a")


def test_a_listing_of_one_fork_is_cached_for_the_next(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder", "A")
    os.utime(folder, (1, 1))
    run = subprocess.run(
        [sys.executable, "-c", LIST_IN_TWO_FORKS, folder],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.stdout.split() == ["listed", "['A']", "['A']"]


LIST_IN_TWO_FORKS = """
import os, sys
from pathlib import Path
from symbolon_server.suppliers.layouts.listings import Listings

def list_names(descriptor):
    os.write(1, b"listed ")
    return os.listdir(descriptor)

listings = Listings(list_names=list_names)
for _ in range(2):
    child = os.fork()
    if child == 0:
        os.write(1, f"{listings.find(Path(sys.argv[1]), 'a')} ".encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
