"""What a caller sends about a module besides its id."""

import pytest

from symbolon_server.symbols.ground.asked_modules import (
    MAX_CODE_ID_DIGITS,
    AskedModule,
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
