"""Which debug files and debug ids identify a module."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symbolon import _module_ids
from symbolon_server.symbols.ground.module_ids import (
    DEBUG_ID_FORM,
    LINKAGE_VARIANT,
    InvalidModuleIdError,
    ModuleId,
    normalise_debug_id,
    tells_age,
)

DEBUG_ID = "44E4EC8C2F41492B9369D6B9A059577C2"
GUID = "44E4EC8C-2F41-492B-9369-D6B9A059577C"


@pytest.mark.parametrize(
    "debug_file",
    [
        *("xul.pdb", "libxul.so", "libc.so.6", "my app.exe", "größe.so", "...", "a:b", "-rf", "*"),
        *("a" * 255, "ä" * 127, "\N{ZERO WIDTH JOINER}x"),
    ],
)
def test_debug_files_are_any_file_name(debug_file: str) -> None:
    assert ModuleId.parse(debug_file, DEBUG_ID).debug_file == debug_file


@pytest.mark.parametrize(
    ("debug_file", "problem"),
    [
        ("", "must not be empty"),
        ("a/b", "without a path"),
        ("a\\b", "without a path"),
        ("/", "without a path"),
        (".", "without a path"),
        ("..", "without a path"),
        ("a\0b", "control characters"),
        ("a\n", "control characters"),
        ("\x7f", "control characters"),
        ("\x85", "control characters"),
        ("\u2028", "control characters"),
        ("\ud800", "control characters"),
        ("a" * 256, "at most 255 bytes"),
        ("ä" * 128, "at most 255 bytes"),
    ],
)
def test_an_invalid_debug_file_is_refused(debug_file: str, problem: str) -> None:
    with pytest.raises(InvalidModuleIdError, match=problem) as caught:
        ModuleId.parse(debug_file, DEBUG_ID)
    assert caught.value.field == "debug_file"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", range(33, 41))
def test_debug_ids_are_33_to_40_hex_digits_of_either_case(length: int) -> None:
    debug_id = ("0123456789abcdefABCDEF" * 2)[:length]
    assert ModuleId.parse("xul.pdb", debug_id).debug_id == debug_id.upper()


@pytest.mark.parametrize("guid", [GUID, GUID.lower(), GUID.replace("-", "")])
@pytest.mark.parametrize("form", ["{}", "{{{}}}"])
@pytest.mark.parametrize(
    ("age", "normalised"),
    [
        *(("", "0"), ("0", "0"), ("-0", "0"), ("00000000", "0"), ("-00000001", "1")),
        *(("a", "A"), ("-a", "A"), ("FFFFFFFF", "FFFFFFFF"), ("-feedface", "FEEDFACE")),
    ],
)
def test_every_spelling_of_a_debug_id_is_one_debug_id(
    guid: str, form: str, age: str, normalised: str
) -> None:
    debug_id = form.format(guid) + age
    expected = GUID.replace("-", "") + normalised
    assert ModuleId.parse("xul.pdb", debug_id).debug_id == expected
    assert ModuleId.parse_if_whole("xul.pdb", debug_id) == ModuleId("xul.pdb", expected)
    assert tells_age(debug_id) == bool(age)


GROUPS = st.builds(
    str.format, st.sampled_from(["{:04x}", "{:04X}", "{:04x}-", "{:04X}-"]), st.integers(0, 0xFFFF)
)
DIGITS = st.text("0123456789abcdefABCDEF", max_size=9)
SPELLINGS = st.tuples(
    st.sampled_from(["", "{"]),
    st.lists(GROUPS, min_size=7, max_size=9).map("".join),
    DIGITS,
    st.sampled_from(["", "}", "-", "}-"]),
    DIGITS,
).map("".join)


@settings(max_examples=200)
@given(st.one_of(SPELLINGS, st.text("0aF{}-", max_size=45)))
def test_client_and_server_agree_on_debug_ids(text: str) -> None:
    normalised = normalise_debug_id(text)
    assert _module_ids.normalise_debug_id(text) == (normalised or text.upper())
    try:
        module_id = ModuleId.parse_if_whole("xul.pdb", text)
    except InvalidModuleIdError:
        assert not _module_ids.is_debug_id(text)
    else:
        assert _module_ids.is_debug_id(text)
        assert module_id == (None if normalised is None else ("xul.pdb", normalised))
    assert _module_ids.DEBUG_ID_FORM == DEBUG_ID_FORM


@pytest.mark.parametrize(
    "debug_id",
    [
        *("", "0" * 31, "0" * 41, "0" * 32 + "g", "0" * 33 + "\n", " " + "0" * 33),
        *("0" * 32 + "-", "0" * 32 + "--1", "\N{FULLWIDTH DIGIT ONE}" * 33, f"{GUID}-123456789"),
        *(f"{{{GUID}", f"{GUID}}}", f"{{{GUID}1}}", f"{{{GUID}}}, 1", f"-{GUID}"),
        *("44E4EC8C2-F41-492B-9369-D6B9A059577C", "44E4EC8C-2F41-492B-9369D6B9A059577C"),
    ],
)
def test_an_invalid_debug_id_is_refused(debug_id: str) -> None:
    with pytest.raises(InvalidModuleIdError, match="must be 32 hex digits and the age") as caught:
        ModuleId.parse("xul.pdb", debug_id)
    assert caught.value.field == "debug_id"


@given(st.text(min_size=1, max_size=20), st.from_regex(r"\A[0-9A-Fa-f]{33,40}\Z"))
def test_the_text_of_a_module_id_parses_back_to_it(debug_file: str, debug_id: str) -> None:
    try:
        module_id = ModuleId.parse(debug_file, debug_id)
    except InvalidModuleIdError:
        return
    assert ModuleId.from_text(str(module_id)) == module_id
    age = debug_id[32:].lstrip("0") or "0"
    assert str(module_id) == f"{debug_file}/{debug_id[:32].upper()}{age.upper()}"


@pytest.mark.parametrize("text", ["", "xul.pdb", "/" + DEBUG_ID, "a/b/" + DEBUG_ID, "xul.pdb/"])
def test_a_text_that_is_not_a_module_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidModuleIdError):
        ModuleId.from_text(text)


@pytest.mark.parametrize(
    ("debug_file", "name"),
    [
        ("xul.pdb", "xul.sym"),
        ("XUL.PDB", "XUL.sym"),
        ("libxul.so", "libxul.so.sym"),
        ("pdb", "pdb.sym"),
        (".pdb", ".sym"),
        ("a.pdb.so", "a.pdb.so.sym"),
    ],
)
def test_a_symbol_file_is_named_after_its_debug_file(debug_file: str, name: str) -> None:
    assert ModuleId.parse(debug_file, DEBUG_ID).symbol_file_name == name


def test_a_variant_has_an_id_of_its_own_that_nobody_can_send() -> None:
    plain = ModuleId.parse("libxul.so", DEBUG_ID)
    variant = plain.with_linkage_names
    assert str(variant) == f"libxul.so/{DEBUG_ID}~linkage"
    assert plain.variants == (plain, variant)
    assert (variant.plain, variant.with_linkage_names, plain.plain) == (plain, variant, plain)
    assert (variant.has_linkage_names, plain.has_linkage_names) == (True, False)
    assert (plain.family, variant.family) == ("libxul.so", "libxul.so~linkage")
    for module_id in plain.variants:
        assert ModuleId.from_text(str(module_id)) == module_id
    with pytest.raises(InvalidModuleIdError):
        ModuleId.parse(*variant)
    with pytest.raises(InvalidModuleIdError):
        ModuleId.from_text(str(variant) + LINKAGE_VARIANT)
