"""A directory of symbol files, and files outside of it."""

import gzip
import os
import socket
from pathlib import Path

import pytest
import zstandard

from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.options import Casing, SupplierOptions
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.suppliers.asking import opened

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "symbols"
    root.mkdir()
    return root


def path_of(root: Path, module_id: ModuleId) -> Path:
    path = root / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
    path.parent.mkdir(parents=True)
    return path


def fetch(root: Path, module_id: ModuleId, limits: FetchLimits | None = None) -> bytes:
    with opened(DirectorySupplier(root, limits), AskedModule(module_id)) as stream:
        return b"".join(stream)


@pytest.mark.parametrize(
    "stored",
    [TEXT, gzip.compress(TEXT), zstandard.compress(TEXT)],
    ids=["plain", "gzip", "zstd"],
)
def test_a_symbol_file_may_be_compressed(root: Path, module_id: ModuleId, stored: bytes) -> None:
    path_of(root, module_id).write_bytes(stored)

    with opened(DirectorySupplier(root), AskedModule(module_id)) as stream:
        assert b"".join(stream) == TEXT
    assert stream.fetched_bytes == len(stored)


def test_an_absent_file_is_missing(root: Path, module_id: ModuleId) -> None:
    with pytest.raises(MissingSymbolFileError):
        fetch(root, module_id)


@pytest.mark.parametrize("casing", [Casing.LOWER, Casing.UPPER])
def test_a_path_has_the_case_of_the_supplier(
    root: Path, module_id: ModuleId, casing: Casing
) -> None:
    path = root.joinpath(*map(casing.spell, path_of(root, module_id).relative_to(root).parts))
    path.parent.mkdir(parents=True)
    path.write_bytes(TEXT)

    with opened(
        DirectorySupplier(root, options=SupplierOptions(casing)), AskedModule(module_id)
    ) as stream:
        assert b"".join(stream) == TEXT
    with pytest.raises(MissingSymbolFileError):
        fetch(root, module_id)


def test_a_name_too_long_for_the_file_system_is_missing(root: Path) -> None:
    with pytest.raises(MissingSymbolFileError):
        fetch(root, ModuleId.parse("x" * 255, "A" * 33))


def test_a_file_instead_of_a_folder_is_missing(root: Path, module_id: ModuleId) -> None:
    (root / module_id.debug_file).write_bytes(TEXT)

    with pytest.raises(MissingSymbolFileError):
        fetch(root, module_id)


def test_an_absent_root_is_unavailable(root: Path, module_id: ModuleId) -> None:
    with pytest.raises(UnavailableSymbolFileError, match=r"^no such file or directory$"):
        fetch(root / "not mounted", module_id)


@pytest.mark.parametrize("casing", [Casing.DEFAULT, Casing.ANY])
def test_a_file_as_root_is_unavailable(root: Path, module_id: ModuleId, casing: Casing) -> None:
    (root / "file").write_bytes(TEXT)
    supplier = DirectorySupplier(root / "file", options=SupplierOptions(casing))

    with (
        pytest.raises(UnavailableSymbolFileError, match=r"^not a directory$"),
        opened(supplier, AskedModule(module_id)),
    ):
        pytest.fail("it has no files")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unavailable(root: Path, module_id: ModuleId) -> None:
    path = path_of(root, module_id)
    path.write_bytes(TEXT)
    path.chmod(0)

    with pytest.raises(UnavailableSymbolFileError, match=r"^permission denied$"):
        fetch(root, module_id)


def test_a_socket_with_the_name_of_the_file_is_unavailable(
    root: Path, module_id: ModuleId, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(root, module_id)
    monkeypatch.chdir(path.parent)  # the whole path is too long for a socket
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
        with pytest.raises(UnavailableSymbolFileError, match="is not a regular file"):
            fetch(root, module_id)


def test_a_folder_or_pipe_with_the_name_of_the_file_is_unavailable(
    root: Path, module_id: ModuleId
) -> None:
    path = path_of(root, module_id)
    path.mkdir()
    with pytest.raises(UnavailableSymbolFileError, match="is not a regular file"):
        fetch(root, module_id)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(UnavailableSymbolFileError, match="is not a regular file"):
        fetch(root, module_id)


@pytest.mark.parametrize("linked", ["file", "debug id", "debug file"])
@pytest.mark.parametrize("is_relative", [True, False], ids=["relative", "absolute"])
def test_a_link_out_of_the_root_is_refused(
    root: Path, module_id: ModuleId, linked: str, is_relative: bool
) -> None:
    outside = path_of(root.parent / "outside", module_id)
    outside.write_bytes(TEXT)
    link = path_of(root, module_id)
    for part in ("file", "debug id", "debug file"):
        if part == linked:
            break
        outside, link = outside.parent, link.parent
        link.rmdir()
    link.symlink_to(os.path.relpath(outside, link.parent) if is_relative else outside)

    with pytest.raises(UnavailableSymbolFileError, match=r"leads out of the directory$"):
        fetch(root, module_id)


def test_a_link_to_a_folder_with_the_prefix_of_the_root_is_refused(
    root: Path, module_id: ModuleId
) -> None:
    outside = root.parent / "symbols-secret"
    outside.write_bytes(TEXT)
    path_of(root, module_id).symlink_to(outside)

    with pytest.raises(UnavailableSymbolFileError, match=r"leads out of the directory$"):
        fetch(root, module_id)


def test_a_link_within_the_root_is_followed(root: Path, module_id: ModuleId) -> None:
    (root / "shared.sym").write_bytes(TEXT)
    path_of(root, module_id).symlink_to("../../shared.sym")

    assert fetch(root, module_id) == TEXT


def test_a_root_that_is_a_link_itself_is_fine(root: Path, module_id: ModuleId) -> None:
    path_of(root, module_id).write_bytes(TEXT)
    (root.parent / "link").symlink_to(root)

    assert fetch(root.parent / "link", module_id) == TEXT


def test_a_symlink_loop_is_unavailable(root: Path, module_id: ModuleId) -> None:
    path = path_of(root, module_id)
    path.symlink_to(path)

    with pytest.raises(UnavailableSymbolFileError, match="symbolic links"):
        fetch(root, module_id)


def test_a_dangling_link_is_missing(root: Path, module_id: ModuleId) -> None:
    path_of(root, module_id).symlink_to("nowhere")

    with pytest.raises(MissingSymbolFileError):
        fetch(root, module_id)


def test_the_limits_apply_to_directories_too(root: Path, module_id: ModuleId) -> None:
    path_of(root, module_id).write_bytes(gzip.compress(bytes(10_000)))

    with pytest.raises(BrokenSymbolFileError, match="is larger than 10 bytes"):
        fetch(root, module_id, FetchLimits(max_sent_bytes=10))
    with pytest.raises(BrokenSymbolFileError, match="expands to more than 1 KiB"):
        fetch(root, module_id, FetchLimits(max_unpacked_bytes=1024))


def test_a_file_that_grows_while_it_is_read_is_unavailable(root: Path, module_id: ModuleId) -> None:
    path = path_of(root, module_id)
    path.write_bytes(TEXT)

    with opened(DirectorySupplier(root), AskedModule(module_id)) as stream, path.open("ab") as file:
        file.write(TEXT)
        file.flush()
        with pytest.raises(UnavailableSymbolFileError, match="changed while it was read"):
            b"".join(stream)
    assert fetch(root, module_id) == TEXT * 2


def test_a_packed_file_overwritten_during_a_read_is_not_broken(
    root: Path, module_id: ModuleId
) -> None:
    path = path_of(root, module_id)
    packed = gzip.compress(TEXT)
    path.write_bytes(packed[:-8])

    with opened(DirectorySupplier(root), AskedModule(module_id)) as stream:
        path.write_bytes(packed[:-4])
        with pytest.raises(UnavailableSymbolFileError, match="changed while it was read"):
            b"".join(stream)


def test_a_directory_name_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    name = DirectorySupplier(tmp_path / "symbols\udcff").name
    assert name == f"{tmp_path}/symbols\\udcff"
