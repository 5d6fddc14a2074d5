"""A directory that is searched regardless of case."""

import os
from itertools import product
from pathlib import Path

import pytest

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.directory import MAX_SPELLINGS, DirectorySupplier
from symbolon_server.suppliers.layouts.options import Casing, SupplierOptions
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.suppliers.asking import opened

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577CA")
PARTS = (XUL.debug_file, XUL.debug_id, XUL.symbol_file_name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "symbols"
    root.mkdir()
    return root


@pytest.fixture
def supplier(root: Path) -> DirectorySupplier:
    return DirectorySupplier(root, options=SupplierOptions(Casing.ANY))


def put(root: Path, *parts: str) -> None:
    """Create a file that contains its path."""
    path = root.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("/".join(parts))


def fetch(supplier: DirectorySupplier, module_id: ModuleId = XUL) -> str:
    with opened(supplier, AskedModule(module_id)) as stream:
        return b"".join(stream).decode()


def spellings(part: str) -> tuple[str, str]:
    return part, part.swapcase()


@pytest.mark.parametrize("parts", list(product(*map(spellings, PARTS))), ids="/".join)
def test_a_file_is_found_in_any_case(
    root: Path, supplier: DirectorySupplier, parts: tuple[str, str, str]
) -> None:
    put(root, *parts)
    assert fetch(supplier) == "/".join(parts)


def test_the_spelling_of_the_layout_comes_first(root: Path, supplier: DirectorySupplier) -> None:
    put(root, *map(str.upper, PARTS))
    assert fetch(supplier) == "/".join(PARTS).upper()
    put(root, *PARTS)
    assert fetch(supplier) == "/".join(PARTS)


def test_every_folder_of_the_name_is_searched(root: Path, supplier: DirectorySupplier) -> None:
    put(root, "XUL.PDB", "other", "xul.sym")
    put(root, "XUL.pdb", PARTS[1], "other.sym")
    (root / "Xul.pdb").write_text("no folder")
    (root / "xUl.pdb").symlink_to("nowhere")
    with pytest.raises(MissingSymbolFileError, match=r"^has no such file$"):
        fetch(supplier)
    put(root, "xul.pdb", PARTS[1].lower(), "XUL.SYM")
    assert fetch(supplier) == f"xul.pdb/{PARTS[1].lower()}/XUL.SYM"


def test_letters_beyond_ascii_have_cases_too(root: Path, supplier: DirectorySupplier) -> None:
    module_id = ModuleId.parse("Größe.so", XUL.debug_id)
    put(root, "GRÖßE.SO", XUL.debug_id, "größe.so.sym")
    assert fetch(supplier, module_id) == f"GRÖßE.SO/{XUL.debug_id}/größe.so.sym"


def test_a_name_is_not_a_pattern(root: Path, supplier: DirectorySupplier) -> None:
    put(root, "XUL.PDB", XUL.debug_id, "xul.sym")
    for name in ("*.pdb", "xul?pdb", "[x]ul.pdb", "xul.pd"):
        with pytest.raises(MissingSymbolFileError):
            fetch(supplier, ModuleId.parse(name, XUL.debug_id))


def test_a_link_out_of_the_root_is_refused_and_the_search_goes_on(
    root: Path, supplier: DirectorySupplier
) -> None:
    put(root.parent / "outside", *PARTS[1:])
    (root / "XUL.PDB").symlink_to(root.parent / "outside")
    with pytest.raises(UnavailableSymbolFileError, match=r"leads out of the directory$"):
        fetch(supplier)
    put(root, "Xul.pdb", *PARTS[1:])
    assert fetch(supplier) == "/".join(("Xul.pdb", *PARTS[1:]))


def test_after_a_symlink_loop_the_search_goes_on(root: Path, supplier: DirectorySupplier) -> None:
    (root / "xul.pdb").symlink_to("xul.pdb")
    with pytest.raises(UnavailableSymbolFileError, match="symbolic links"):
        fetch(supplier)
    put(root, "Xul.pdb", *PARTS[1:])
    assert fetch(supplier) == "/".join(("Xul.pdb", *PARTS[1:]))


def test_an_absent_root_is_unavailable(root: Path, supplier: DirectorySupplier) -> None:
    root.rmdir()
    with pytest.raises(UnavailableSymbolFileError, match=r"^no such file or directory$"):
        fetch(supplier)


def test_a_new_file_is_found_at_once(root: Path, supplier: DirectorySupplier) -> None:
    (root / "XUL.PDB").mkdir()
    for folder in (root / "XUL.PDB", root):
        os.utime(folder, (1, 1))
    for _ in range(2):
        with pytest.raises(MissingSymbolFileError):
            fetch(supplier)
    put(root, "XUL.PDB", XUL.debug_id, "xul.sym")
    assert fetch(supplier) == f"XUL.PDB/{XUL.debug_id}/xul.sym"


def test_a_search_among_many_spellings_is_bounded(root: Path, supplier: DirectorySupplier) -> None:
    upper_or_lower = [(letter.upper(), letter) for letter in "xul.pdb"]
    names = sorted({"".join(letters) for letters in product(*upper_or_lower)} - {"xul.pdb"})
    put(root, names[MAX_SPELLINGS], *PARTS[1:])
    for name in names[:MAX_SPELLINGS]:
        (root / name).mkdir()
    with pytest.raises(MissingSymbolFileError):
        fetch(supplier)
    (root / names[0]).rmdir()
    assert fetch(supplier) == "/".join((names[MAX_SPELLINGS], *PARTS[1:]))
