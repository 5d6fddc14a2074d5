"""What programs write is for their own user, whatever umask they are started with."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from symbolon import Client, Frame, Module, ModuleOutcome
from tests.app.conftest import SAMPLE, StartProgram, wait_until

ORCHARD = Module("orchard", "C3D8E3C7B6594DF1DFCA907993B477250")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture
def written(environment: dict[str, str]) -> Iterator[Path]:
    """Where a program writes all of its files, with a umask that opens them to all users.

    Its path is short, as the sockets in it need.
    """
    with TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        environment |= {
            "TMPDIR": str(folder / "tmp"),
            "XDG_CACHE_HOME": str(folder / "home" / "cache"),
            "SYMBOLON_DATA_DIR": str(folder / "some" / "data"),
            "SYMBOLON_SPOOL_DIR": str(folder / "some" / "spool"),
        }
        before = os.umask(0)
        yield folder
        os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return what others may read, write or enter below a folder."""
    paths = [path for path in folder.rglob("*") if path != folder / "tmp"]
    return [str(path) for path in paths if path.lstat().st_mode & OTHERS]


def names_in(folder: Path) -> str:
    return "\n".join(str(path) for path in folder.rglob("*"))


def symbolicate(address: str) -> None:
    def is_found() -> bool:
        with Client(address) as client:
            (result,) = client.symbolicate([ORCHARD], [[Frame(0, 4272)]]).modules
        return result.outcome is ModuleOutcome.FOUND

    wait_until(is_found)


@pytest.mark.promise("Files on disk are private to the user of the server", group="access")
def test_files_of_a_server_are_its_users_alone(serve: StartProgram, written: Path) -> None:
    program = serve(processes="2", metrics_listen="127.0.0.1:0", http="127.0.0.1:0")
    symbolicate(program.await_address())
    names = names_in(written)
    kinds = ".pages", "spool/lock", "data/cache", "appendonly", "redis.conf", "/log", ".url", ".db"
    assert [kind for kind in kinds if kind not in names] == []
    assert open_to_others(written) == []


@pytest.mark.promise("Files on disk are private to the user of the server")
@pytest.mark.usefixtures("clear_redis_store", "clear_redis_cache")
def test_files_of_a_worker_are_its_users_alone(
    start: StartProgram,
    serve: StartProgram,
    written: Path,
    redis_store_url: str,
    redis_cache_url: str,
) -> None:
    urls = {"store_url": redis_store_url, "cache_url": redis_cache_url}
    start("worker", suppliers=str(SAMPLE / "symbols"), **urls)
    symbolicate(serve(suppliers="", **urls).await_address())
    assert ".pages" in names_in(written)
    assert open_to_others(written) == []


@pytest.mark.promise("Files on disk are private to the user of the server")
def test_an_existing_folder_keeps_its_mode_and_gets_private_files(
    serve: StartProgram, written: Path
) -> None:
    shared = written / "some" / "spool"
    shared.mkdir(parents=True)
    leftover = shared / "unfinished"
    leftover.write_bytes(b"of a writer that was killed")
    symbolicate(serve().await_address())
    assert stat.S_IMODE(shared.stat().st_mode) == 0o777
    assert not leftover.exists()
    assert open_to_others(shared) == []
    assert ".pages" in names_in(shared)
