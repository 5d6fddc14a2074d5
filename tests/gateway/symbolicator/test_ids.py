"""Debug ids and code ids."""

import pytest

from symbolon import Module
from symbolon._module_ids import is_debug_id
from symbolon_server.gateway.symbolicator.ids import make_module, write_code_id, write_debug_id

GUID = "c3d8e3c7-b659-4df1-dfca-907993b47725"
DIGITS = GUID.replace("-", "")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (GUID, GUID),
        (GUID.upper(), GUID),
        (f"{GUID}-0", GUID),
        (f"{GUID}-A", f"{GUID}-a"),
        (f"{GUID}-0000000a", f"{GUID}-a"),
        (f"{GUID}-0000000a and more", f"{GUID}-a"),
        (DIGITS, GUID),
        (f"{DIGITS}0", GUID),
        (f"{DIGITS.upper()}1F", f"{GUID}-1f"),
        (f"{DIGITS}6c6e6e6f6f6f", f"{GUID}-6c6e6e6f"),
        ("3b0d5b64e", "3B0D5B64-e"),
        ("3b0d5b64-0", "3B0D5B64"),
        ("", None),
        ("some-debug-id", None),
        (f"{GUID}-", None),
        (f"{GUID}-a and more", None),
        (f"{GUID}a", None),
        (f"{DIGITS}-a", None),
        (f"{{{GUID}}}", None),
        (DIGITS[:-1], None),
        (f"{GUID}-0000000aé", None),
    ],
)
def test_a_debug_id_is_written_in_one_spelling(given: str, written: str | None) -> None:
    assert write_debug_id(given) == written


def test_a_code_id_keeps_its_hex_digits() -> None:
    assert write_code_id("5AB380779000") == "5ab380779000"
    assert write_code_id(GUID.upper()) == DIGITS
    assert write_code_id("no id") == "d"


def test_names_that_a_server_rejects_are_left_out() -> None:
    long = "x" * 256
    assert make_module("/a/b.so", GUID, "C:\\c\\d.dll", "ab") == Module("b.so", GUID, "d.dll", "ab")
    for name in (long, "a\nb", "..", "/a/", "\ud800"):
        assert make_module(name, GUID, "d", "") == Module("", GUID, "d", "")
        assert make_module("d", GUID, name, "") == Module("d", GUID, "", "")


@pytest.mark.parametrize(
    "given", [GUID, f"{GUID}-a", f"{DIGITS}6c6e6e6f6f6f", "3b0d5b64e", "3b0d5b64-410", "3b0d5b64-0"]
)
def test_the_server_accepts_every_id_that_is_written(given: str) -> None:
    written = write_debug_id(given)
    assert written is not None
    assert is_debug_id(make_module("a.pdb", written, "", "").debug_id)


def test_a_module_with_ids_alone_gets_a_name() -> None:
    assert make_module("", GUID, "", "") == Module("unnamed", GUID, "", "")
    assert make_module("", "", "", "ab") == Module("unnamed", "", "", "ab")
    assert make_module("", "", "", "") == Module("", "", "", "")
    assert make_module("", GUID, "", "", "wasm").debug_file == "unnamed.wasm"
    assert make_module("", GUID, "", "", "pe").debug_file == "unnamed"
    assert make_module("a", GUID, "", "", "wasm").debug_file == "a"


@pytest.mark.parametrize(
    ("build_id", "debug_id"),
    [
        ("2ff98af50bac36dad24f6a4ffbc59cf4", "F58AF92FAC0BDA36D24F6A4FFBC59CF40"),
        ("0123456789abcdef", "67452301AB89EFCD00000000000000000"),
    ],
)
def test_a_short_build_id_of_an_elf_file_is_not_taken_for_a_uuid(
    build_id: str, debug_id: str
) -> None:
    assert make_module("", "", "/bin/a", build_id, "elf") == Module("", debug_id, "a", build_id)
    assert make_module("", "", "/bin/a", build_id, "macho") == Module("", "", "a", build_id)
    assert make_module("", "", "/bin/a", "abc", "elf") == Module("", "", "a", "abc")
