"""What a caller sends about a module besides its id."""

import pytest

from symbolon_server.symbols.ground.asked_modules import (
    MAX_CODE_ID_DIGITS,
    AskedModule,
    derive_debug_id,
    join_asked,
    read_code_file,
    read_code_id,
)
from symbolon_server.symbols.ground.module_ids import ModuleId

XUL = ModuleId.parse("xul.pdb", "44E4EC8C2F41492B9369D6B9A059577C2")
LIBC = ModuleId.parse("libc.so.6", "0" * 33)


@pytest.mark.parametrize(
    ("code_file", "name"),
    [
        ("xul.dll", "xul.dll"),
        ("C:\\Program Files\\Firefox\\xul.dll", "xul.dll"),
        ("/usr/lib/libc.so.6", "libc.so.6"),
        ("C:/mixed\\xul.dll", "xul.dll"),
        ("größe.dll", "größe.dll"),
        *((name, "") for name in ("", "/", "a/", "a/..", ".", "a\n", "a\0b", "a" * 256)),
    ],
)
def test_the_last_part_of_a_code_files_path_is_used(code_file: str, name: str) -> None:
    assert read_code_file(code_file) == name


@pytest.mark.parametrize(
    ("code_id", "digits"),
    [
        ("6A4B9A365000", "6A4B9A365000"),
        ("5eba81a442000", "5eba81a442000"),
        ("67E9247C-814E-392B-A027-DBDE6748FCBF", "67E9247C814E392BA027DBDE6748FCBF"),
        ("a" * MAX_CODE_ID_DIGITS, "a" * MAX_CODE_ID_DIGITS),
        *((text, "") for text in ("", "-", "no hex", "../1", "1\n", "٣", "a" * 256)),
    ],
)
def test_a_code_id_consists_of_hex_digits(code_id: str, digits: str) -> None:
    assert read_code_id(code_id) == digits


def test_a_module_requested_twice_has_the_details_of_both_requests() -> None:
    requests = [
        None,
        AskedModule(XUL, code_file="xul.dll"),
        AskedModule(LIBC),
        AskedModule(XUL, code_file="other.dll", code_id="5F", lacks_age=True),
    ]
    assert join_asked(requests) == {
        XUL: AskedModule(XUL, "xul.dll", "5F", lacks_age=True),
        LIBC: AskedModule(LIBC),
    }


@pytest.mark.parametrize(
    ("file", "code_id", "debug_id"),
    [
        # The build id of a library of Ubuntu and its debug id, as Symbolicator's tests have them.
        (
            "libm-2.23.so",
            "dfb85de42daffd09640c8fe377d572de3e168920",
            "E45DB8DFAF2D09FD640C8FE377D572DE0",
        ),
        ("a.out", "DFB85DE42DAFFD09640C8FE377D572DE3E168920", "E45DB8DFAF2D09FD640C8FE377D572DE0"),
        # A build id of 16 bytes looks like a UUID: the name tells which it is.
        ("libm.so.6", "dfb85de42daffd09640c8fe377d572de", "E45DB8DFAF2D09FD640C8FE377D572DE0"),
        (
            "_ssl.cpython-312-darwin.so",
            "67E9247C814E392BA027DBDE6748FCBF",
            "67E9247C814E392BA027DBDE6748FCBF0",
        ),
        ("crash", "67E9247C814E392BA027DBDE6748FCBF", "67E9247C814E392BA027DBDE6748FCBF0"),
        ("liba.dylib", "67e9247c814e392ba027dbde6748fcbf", "67E9247C814E392BA027DBDE6748FCBF0"),
        ("a.wasm", "10da03eb8f274a2c8a0a0f0a0a0a0a0a", "10DA03EB8F274A2C8A0A0F0A0A0A0A0A0"),
        ("a.wasm", "10da03eb8f274a2c8a0a0f0a0a0a0a0aff", "10DA03EB8F274A2C8A0A0F0A0A0A0A0A0"),
        # A linker's short build id is padded.
        ("liba.so", "0011223344556677", "33221100554477660000000000000000" + "0"),
        ("crash", "0011223344556677", "33221100554477660000000000000000" + "0"),
        # Timestamp and size of a PE file.
        ("xul.dll", "5eba81a442000", "00000000000000000005EBA81A442000" + "0"),
        ("xul.dll", "5eba81a400042000", "00000000000000000005EBA81A442000" + "0"),
        ("xul.dll", "5eba81a412345678", "00000000000000005EBA81A412345678" + "0"),
        *(("xul.dll", code_id, "") for code_id in ("", "5EBA81A4", "5EBA81A4" + "1" * 9)),
    ],
)
def test_a_debug_id_is_derived_from_a_build_id_or_uuid(
    file: str, code_id: str, debug_id: str
) -> None:
    assert derive_debug_id(file, code_id) == debug_id


@pytest.mark.parametrize(
    ("code_id", "is_named"),
    [("5eba81a442000", True), ("5eba81a400042000", False), ("67E9247C" * 4, False), ("", False)],
)
def test_only_a_pe_file_is_named_by_its_code_id(code_id: str, is_named: bool) -> None:
    debug_id = derive_debug_id("crash", code_id) or "0" * 33
    asked = AskedModule(ModuleId.parse("crash", debug_id), "crash", code_id)
    assert asked.is_named_by_code_id == is_named
