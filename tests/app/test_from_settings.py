from pathlib import Path

import pytest

from symbolon_server.app import StartError
from symbolon_server.app.wiring.suppliers import suppliers_of
from symbolon_server.settings import Settings
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"http://host/ X-Api-Key: hunter2", "the URL in line 1 is not that of a supplier"),
        (b"hunter2", "line 1 is not `URL name: value`"),
        (b"\xffhunter2", "{file} is not a text file"),
        (None, "cannot read {file}: No such file or directory"),
    ],
)
def test_an_unusable_file_of_headers_is_reported_without_its_content(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "headers"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StartError) as caught:
        suppliers_of(Settings(suppliers=("/symbols",), supplier_headers_file=file))
    complaint = complaint.format(file=file)
    assert str(caught.value) == f"SYMBOLON_SUPPLIER_HEADERS_FILE: {complaint}"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("", []),
        (
            "https://one.example/ ima:enforcing  http://two.example/buildid ima:ignore",
            ["one.example", "two.example"],
        ),
        ("file:///srv/debuginfod", ["/srv/debuginfod"]),
    ],
)
def test_servers_of_debuginfod_are_taken_from_its_variable(value: str, names: list[str]) -> None:
    suppliers = suppliers_of(Settings(), {"DEBUGINFOD_URLS": value})
    assert [supplier.name for supplier in suppliers] == names
    build_id = "dfb85de42daffd09640c8fe377d572de3e168920"
    module_id = ModuleId.parse("libm.so", "e45db8dfaf2d09fd640c8fe377d572de")
    for supplier in suppliers:
        first, *_ = supplier.candidates(AskedModule(module_id, code_id=build_id))
        assert str(first) == f"buildid/{build_id}/debuginfo"


def test_the_variable_of_debuginfod_counts_only_without_suppliers() -> None:
    environment = {"DEBUGINFOD_URLS": "https://one.example"}
    (supplier,) = suppliers_of(Settings(suppliers=("/symbols",)), environment)
    assert supplier.name == "/symbols"


def test_an_unusable_variable_of_debuginfod_is_reported() -> None:
    with pytest.raises(StartError, match=r"^DEBUGINFOD_URLS: server 2 is neither a directory nor"):
        suppliers_of(Settings(), {"DEBUGINFOD_URLS": "https://one.example ftp://hunter2@two"})
