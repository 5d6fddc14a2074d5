"""ELF files whose tables say that they cannot be converted, or that something will be missing."""

import random
import struct
import zlib

import pytest
import zstandard

from symbolon_server.debug_files.elf_checks import ALTERNATE_FILE, SPLIT_DWARF, check_elf
from symbolon_server.symbols.ground.errors import MalformedSymbolFileError, UnsupportedFileError
from tests.debug_files.elf_files import (
    CODE,
    DATA,
    FUNCTION,
    NO_BITS,
    OBJECT,
    SYMBOLS,
    Elf,
    Section,
)

LIMIT = 1 << 20
KINDS = pytest.mark.parametrize(
    "elf",
    [Elf(is_64=is_64, order=order) for is_64 in (True, False) for order in "<>"],
    ids=["64 little", "64 big", "32 little", "32 big"],
)
ZLIB, ZSTD = 1, 2


def check(elf: Elf, limit: int = LIMIT) -> tuple[str, ...]:
    return check_elf(memoryview(elf.write()), limit)


@KINDS
def test_an_ordinary_file_has_no_notes(elf: Elf) -> None:
    assert check(elf) == ()
    assert check(elf.having(Section(".text", b"\xc3", flags=CODE))) == ()


@KINDS
def test_an_alternate_file_of_dwz_is_noted(elf: Elf) -> None:
    link = Section(".gnu_debugaltlink", b"a\0")
    for name in (".debug_info", ".zdebug_info"):
        assert check(elf.having(Section(name, b"a"), link)) == (ALTERNATE_FILE,)
        stripped = Section(name, b"a", NO_BITS)
        assert check(elf.having(stripped, link)) == ()
    assert check(elf.having(link)) == ()


@KINDS
def test_a_file_that_is_not_linked_is_refused(elf: Elf) -> None:
    with pytest.raises(UnsupportedFileError, match="not linked"):
        check(Elf(type=OBJECT, is_64=elf.is_64, order=elf.order))


# Compressed sections.


@KINDS
@pytest.mark.parametrize("size", [3 << 30, 2**31, 2**32 - 1])
def test_a_section_that_claims_more_than_the_limit_is_refused(elf: Elf, size: int) -> None:
    packed = zlib.compress(b"a" * 100)
    with pytest.raises(MalformedSymbolFileError, match=r"\.debug_info it unpacks to over 1048576"):
        check(elf.having(elf.compressed(".debug_info", ZLIB, size, packed)))


def test_a_claim_of_62_bits_is_refused_under_any_limit() -> None:
    elf = Elf()
    for method in (ZLIB, ZSTD):
        section = elf.compressed(".debug_line", method, 2**62, b"")
        with pytest.raises(MalformedSymbolFileError, match="unpacks to over"):
            check(elf.having(section), 2**40)


def test_the_limit_is_for_all_sections_together() -> None:
    elf = Elf()
    content = random.Random(1).randbytes(LIMIT // 2 + 1)
    sections = [
        elf.compressed(name, ZLIB, len(content), zlib.compress(content))
        for name in (".debug_info", ".debug_line")
    ]
    assert check(elf.having(sections[0])) == ()
    with pytest.raises(MalformedSymbolFileError, match=r"\.debug_line it unpacks to over"):
        check(elf.having(*sections))


def test_a_claim_that_zlib_cannot_keep_is_refused() -> None:
    elf = Elf()
    section = elf.compressed(".debug_info", ZLIB, LIMIT, zlib.compress(b"a"))
    with pytest.raises(MalformedSymbolFileError, match=r"claims 1048576 bytes, more than it can"):
        check(elf.having(section))
    best = zlib.compress(b"\0" * LIMIT, 9)
    assert check(elf.having(elf.compressed(".debug_info", ZLIB, LIMIT, best))) == ()


@KINDS
@pytest.mark.parametrize("method", [ZLIB, ZSTD])
def test_sections_that_claim_to_be_out_of_proportion_are_refused(
    elf: Elf, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("symbolon_server.symbols.ground.unpacked_sizes.FREE_BYTES", 1 << 16)
    pack = zlib.compress if method == ZLIB else zstandard.compress
    packed = [pack(bytes(size)) for size in (1 << 16, 1)]
    first = elf.compressed(".debug_info", method, 1 << 16, packed[0])
    assert check(elf.having(first)) == ()
    second = elf.compressed(".debug_line", method, 1, packed[1])
    with pytest.raises(
        MalformedSymbolFileError, match=r"\.debug_line it unpacks to over 100 times its size"
    ):
        check(elf.having(first, second))
    others = [elf.compressed(".debug_str", method, 1000, random.Random(1).randbytes(1000))]
    assert check(elf.having(first, second, *others)) == ()


def test_the_older_kind_of_compressed_section_is_looked_at_too() -> None:
    content = b"ZLIB" + struct.pack(">Q", 2**40) + zlib.compress(b"a")
    with pytest.raises(MalformedSymbolFileError, match=r"\.zdebug_info it unpacks to over"):
        check(Elf().having(Section(".zdebug_info", content)))


@KINDS
def test_a_compressed_section_that_the_file_does_not_have_claims_nothing(elf: Elf) -> None:
    claimed = elf.compressed(".debug_info", ZLIB, 2**31, b"")
    absent = Section(claimed.name, claimed.content, NO_BITS, claimed.flags)
    assert check(elf.having(absent)) == ()


# Addresses.


@pytest.mark.parametrize("base", [0, 0x400000, 0xFFFFFFFF80000000])
def test_code_may_end_exactly_4_gib_after_the_first_segment(base: int) -> None:
    size = min(2**32, 2**64 - base)
    assert check(Elf(segments=[(5, base, size)])) == ()


@pytest.mark.parametrize("base", [0, 0x400000])
def test_code_that_ends_later_is_refused(base: int) -> None:
    with pytest.raises(MalformedSymbolFileError, match="4 GiB"):
        check(Elf(segments=[(4, base, 1), (5, base + 2**32, 1)]))


def test_data_may_be_anywhere() -> None:
    assert check(Elf(segments=[(5, 0, 100), (6, 2**40, 100)])) == ()


@KINDS
def test_functions_in_code_are_looked_at_relative_to_the_first_segment(elf: Elf) -> None:
    text = Section(".text", b"\xc3", flags=CODE)
    base = 0x400000
    file = Elf([text], [(5, base, 100)], is_64=elf.is_64, order=elf.order)
    near = elf.symbol(base + 1, 1) + elf.symbol(base, 1)
    assert check(file.having(Section(".symtab", near, SYMBOLS))) == ()
    before = near + elf.symbol(base - 1, 1)
    with pytest.raises(MalformedSymbolFileError, match="functions 4 GiB"):
        check(file.having(Section(".symtab", before, SYMBOLS)))


@pytest.mark.parametrize(
    ("value", "section", "kind", "is_refused"),
    [
        (2**32 - 1, 1, FUNCTION, False),
        (2**32, 1, FUNCTION, True),
        (2**64 - 1, 1, FUNCTION, True),
        (2**40, 0, FUNCTION, False),  # of another file
        (2**40, 0xFFF1, FUNCTION, False),  # a number, not an address
        (2**40, 1, DATA, False),
        (2**40, 2, FUNCTION, False),  # not in code
    ],
)
def test_only_functions_in_code_count(
    value: int, section: int, kind: int, *, is_refused: bool
) -> None:
    elf = Elf()
    table = Section(".symtab", elf.symbol(0, 0) + elf.symbol(value, section, kind), SYMBOLS)
    file = elf.having(Section(".text", b"\xc3", flags=CODE), table)
    if is_refused:
        with pytest.raises(MalformedSymbolFileError, match="functions 4 GiB"):
            check(file)
    else:
        assert check(file) == ()


# Split DWARF. What compilers really write is in `test_compiled_files`.


def unit_of_5(order: str, kind: int, *, is_64: bool = False) -> bytes:
    """Return a unit of DWARF 5 with a few bytes behind its header."""
    number = "Q" if is_64 else "I"
    rest = struct.pack(f"{order}HBB{number}", 5, kind, 8, 0) + random.Random(kind).randbytes(20)
    start = struct.pack(f"{order}IQ", 0xFFFFFFFF, len(rest)) if is_64 else None
    return (start or struct.pack(f"{order}I", len(rest))) + rest


def unit_of_4(order: str, code: int, *, offset: int = 0) -> bytes:
    """Return a unit of DWARF 4 whose only entry has the abbreviation `code`."""
    rest = struct.pack(f"{order}HIB", 4, offset, 8) + bytes([code]) + b"\1" * 20
    return struct.pack(f"{order}I", len(rest)) + rest


ABBREVIATIONS = bytes(
    [
        *(1, 0x11, 1, 0x25, 0x0E, 0x13, 0x21, 0x85, 1, 0, 0),  # with a constant of two digits
        *(2, 0x11, 0, 0xB0, 0x42, 0x0E, 0x11, 1, 0, 0, 0),  # with DW_AT_GNU_dwo_name
    ]
)
ORDINARY, SKELETON_OF_5 = 1, 4


def with_units(elf: Elf, *units: bytes, name: str = ".debug_info") -> Elf:
    return elf.having(
        Section(".debug_addr", b"\0" * 8),
        Section(name, b"".join(units)),
        Section(".debug_abbrev", ABBREVIATIONS),
    )


@KINDS
def test_a_skeleton_among_ordinary_units_is_noted(elf: Elf) -> None:
    order = elf.order
    ordinary = [
        unit_of_5(order, ORDINARY),
        unit_of_4(order, 1),
        unit_of_5(order, ORDINARY, is_64=True),
    ]
    assert check(with_units(elf, *ordinary)) == ()
    for skeleton in (
        unit_of_5(order, SKELETON_OF_5),
        unit_of_5(order, SKELETON_OF_5, is_64=True),
        unit_of_4(order, 2),
    ):
        assert check(with_units(elf, *ordinary, skeleton, *ordinary)) == (SPLIT_DWARF,)
        assert check(with_units(elf, skeleton)) == (SPLIT_DWARF,)


def test_a_skeleton_in_a_compressed_section_is_noted() -> None:
    elf = Elf()
    padding = random.Random(1).randbytes(200_000)
    filler = struct.pack("<IHB", len(padding) + 3, 5, ORDINARY) + padding
    info = filler + unit_of_5("<", SKELETON_OF_5)
    addresses = Section(".debug_addr", b"\0" * 8)
    abbreviations = Section(".debug_abbrev", ABBREVIATIONS)
    packed = {
        ".debug_info": [
            elf.compressed(".debug_info", ZLIB, len(info), zlib.compress(info)),
            elf.compressed(
                ".debug_info", ZSTD, len(info), zstandard.ZstdCompressor().compress(info)
            ),
        ],
        ".zdebug_info": [
            Section(".zdebug_info", b"ZLIB" + struct.pack(">Q", len(info)) + zlib.compress(info))
        ],
    }
    for sections in packed.values():
        for section in sections:
            assert check(elf.having(addresses, section, abbreviations)) == (SPLIT_DWARF,)
            truncated = Section(section.name, section.content[:100_000], flags=section.flags)
            assert check(elf.having(addresses, truncated, abbreviations)) == ()


def test_units_that_are_damaged_end_the_search() -> None:
    elf = Elf()
    units = [unit_of_5("<", ORDINARY), unit_of_4("<", 7), unit_of_4("<", 1, offset=10_000)]
    for damaged in (b"\xff" * 7, b"\1\0\0\0\x09\0", units[2], units[0][:9]):
        assert check(with_units(elf, *units[:2], damaged)) == ()


# Files that are truncated or changed.

WHOLE = (
    with_units(Elf(segments=[(5, 0, 100)]), unit_of_5("<", ORDINARY), unit_of_4("<", 1))
    .having(
        Section(".text", b"\xc3", flags=CODE),
        Section(".symtab", Elf().symbol(1, 4), SYMBOLS),
        Elf().compressed(".debug_line", ZLIB, 100, zlib.compress(b"a" * 100)),
    )
    .write()
)


def test_a_truncated_file_is_refused_or_noted_as_what_is_left() -> None:
    for length in range(4, len(WHOLE)):
        try:
            assert check_elf(memoryview(WHOLE[:length]), LIMIT) == ()
        except MalformedSymbolFileError:
            continue
    with pytest.raises(MalformedSymbolFileError, match="table"):
        check_elf(memoryview(WHOLE[:-1]), LIMIT)
    with pytest.raises(MalformedSymbolFileError, match="header"):
        check_elf(memoryview(WHOLE[:20]), LIMIT)
    with pytest.raises(MalformedSymbolFileError, match="header"):
        check_elf(memoryview(WHOLE[:10]), LIMIT)


def test_changed_bytes_raise_no_other_error() -> None:
    randomness = random.Random(1)
    refused = 0
    for _ in range(1500):
        data = bytearray(WHOLE)
        for _ in range(randomness.randrange(1, 6)):
            data[randomness.randrange(4, len(data))] = randomness.choice((0, 1, 0x7F, 0x80, 0xFF))
        try:
            check_elf(memoryview(bytes(data)), LIMIT)
        except MalformedSymbolFileError:
            refused += 1
    assert refused > 100


def test_a_number_of_sections_beyond_any_file_is_refused() -> None:
    data = bytearray(WHOLE)
    data[60:62] = b"\0\0"  # the number is then in section 0
    (table_at,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<Q", data, table_at + 32, 2**40)
    with pytest.raises(MalformedSymbolFileError, match="over 65536"):
        check_elf(memoryview(bytes(data)), LIMIT)


def test_a_section_that_ends_behind_the_end_of_the_file_is_refused() -> None:
    """As in a truncated file of Go's linker, which writes the table of sections first."""
    data = bytearray(Elf().having(Section(".debug_info", b"whole")).write())
    (table_at,) = struct.unpack_from("<Q", data, 40)
    (at,) = struct.unpack_from("<Q", data, table_at + 64 + 24)
    for size, is_whole in ((len(data) - at, True), (len(data) - at + 1, False), (2**63, False)):
        struct.pack_into("<Q", data, table_at + 64 + 32, size)
        if is_whole:
            assert check_elf(memoryview(bytes(data)), LIMIT) == ()
            continue
        with pytest.raises(MalformedSymbolFileError, match=r"ends within its section \.debug_info"):
            check_elf(memoryview(bytes(data)), LIMIT)
