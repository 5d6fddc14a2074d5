"""Modules whose symbol files the gateway's server can fetch, and others that fail in some way."""

from collections.abc import Mapping

Entry = list[str]
"""Debug file and debug id, as in a memory map."""

BARROW: Entry = ["barrow", "5B1C0A4E93D74F628E1FA0C7D2946B350"]
HOIST: Entry = ["libhoist.so", "A94D03E17C5640B1BD2E8F63591C07AA0"]
MILL: Entry = ["mill.pdb", "1F60C2D87E3B4A95A1D4B80F27C6E5932"]
MARKED: Entry = ["marked.pdb", "77D2E0B45A1C4F3E9086CB14FA52D3E81"]
"""Its records are marked `m`, as several names share their addresses."""

WEIGHED: Entry = ["weighed.so", "C1B2A3948576E0F1D2C3B4A5968778690"]
UNWEIGHED: Entry = ["unweighed.so", "F0E1D2C3B4A5968778695A4B3C2D1E0F0"]
"""One with a symbol file and one without, for the counts of `debug` alone."""

ABSENT: Entry = ["absent.so", "0C8E4F2B9A6D47518E3F70A1B5C2D6940"]
EMPTY: Entry = ["empty.pdb", "3D5A7C9E1B2F4680ACE013579BDF24681"]
JUNK: Entry = ["junk.so", "6E1D3C5B7A9F48026D4E8C0A2B6F1D350"]
MISLABELLED: Entry = ["mislabelled.so", "E0F1D2C3B4A5968778695A4B3C2D1E0F0"]
"""The file at its place is that of another module."""

FAILING: Entry = ["failing.so", "9B7D5F3E1C0A48628E6C4A2F0D1B3E570"]
"""The symbol server fails on it."""

UNUSED: Entry = ["unused.so", "12345"]

_BARROW_FILE = """\
MODULE Linux x86_64 5B1C0A4E93D74F628E1FA0C7D2946B350 barrow
INFO CODE_ID 4E0A1C5BD793624F8E1FA0C7D2946B35
FILE 0 /src/barrow/wheel.c
FUNC 4200 30 0 barrow_push
4200 10 12 0
4210 20 13 0
FUNC 4230 18 0 barrow_tip
4230 18 21 0
PUBLIC 4300 0 barrow_end
"""

_HOIST_FILE = """\
MODULE Linux x86_64 A94D03E17C5640B1BD2E8F63591C07AA0 libhoist.so
FILE 0 /src/hoist/main.c
FILE 1 /src/hoist/rope.h
INLINE_ORIGIN 0 rope_pull
INLINE_ORIGIN 1 rope_knot
FUNC 900 60 0 hoist_lift
INLINE 0 31 0 0 910 40
INLINE 1 8 1 1 920 10
900 10 30 0
910 10 7 1
920 10 3 1
930 20 9 1
950 10 32 0
"""

_MILL_FILE = """\
MODULE windows x86_64 1F60C2D87E3B4A95A1D4B80F27C6E5932 mill.pdb
INFO CODE_ID 5E2B91C41C000 mill.exe
FUNC 1200 80 0 mill_grind
PUBLIC 1400 0 mill_sieve
"""

_MARKED_FILE = """\
MODULE windows x86 77D2E0B45A1C4F3E9086CB14FA52D3E81 marked.pdb
FUNC m 1000 40 8 marked_first
PUBLIC m 2000 c marked_second
"""

_WEIGHED_FILE = """\
MODULE Linux x86_64 C1B2A3948576E0F1D2C3B4A5968778690 weighed.so
FUNC 10 10 0 weigh
"""

_OTHERS_FILE = """\
MODULE Linux x86_64 00112233445566778899AABBCCDDEEFF0 other.so
FUNC 10 10 0 other
"""

SYMBOL_FILES: Mapping[tuple[str, ...], str] = {
    tuple(BARROW): _BARROW_FILE,
    tuple(HOIST): _HOIST_FILE,
    tuple(MILL): _MILL_FILE,
    tuple(MARKED): _MARKED_FILE,
    tuple(WEIGHED): _WEIGHED_FILE,
    tuple(EMPTY): "",
    tuple(JUNK): "no symbols in here",
    tuple(MISLABELLED): _OTHERS_FILE,
}
"""By debug file and debug id."""
