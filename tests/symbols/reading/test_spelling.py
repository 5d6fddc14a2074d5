"""Names and paths as they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.spelling import (
    MAX_DEMANGLED_BYTES,
    MAX_MANGLED_BYTES,
    clean_path,
    demangle,
)
from tests.symbols.read_texts import answer, read_records
from tests.symbols.symbol_texts import MODULE_ID, MODULE_RECORD


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        (b"_ZN3Foo3barEi", b"Foo::bar(int)"),
        (b"__ZN3Foo3barEi", b"Foo::bar(int)"),
        (b"_ZNSt6vectorIiE3endEv", b"std::vector<int>::end()"),
        (b"_ZN3foo3barEi.cold", b"foo::bar(int) (.cold)"),
        (b"_ZNK1A1fEvQ1C", b"A::f() const requires C"),
        (b"_ZTV3Foo", b"vtable for Foo"),
        (b"___ZN3Foo3barEv_block_invoke", b"invocation function for block in Foo::bar()"),
        (b"_RNvCs1234_7mycrate3foo", b"mycrate::foo"),
        (b"_RNvCs1234_7mycrate3foo.llvm.1234", b"mycrate::foo (.llvm.1234)"),
        (b"_ZN5crate4work17h0123456789abcdefE", b"crate::work"),
        (
            b"_ZN4core3ptr46drop_in_place$LT$alloc..vec..Vec$LT$u8$GT$$GT$17h0f1d1bb1ebdf2b1cE",
            b"core::ptr::drop_in_place<alloc::vec::Vec<u8>>",
        ),
        (b"?foo@Tensor@at@@QEAAXXZ", b"public: void __cdecl at::Tensor::foo(void)"),
    ],
)
def test_mangled_names_are_demangled(mangled: bytes, name: bytes) -> None:
    assert demangle(mangled) == name


@pytest.mark.parametrize(
    "name",
    [
        *(b"main", b"Foo::bar(int)", b"operator?", b"?", b"_Z", b"_R", b"__cxa_throw", b""),
        *(b"_ZN3FooE (.cold)", b"_ZN4test3fooE17h", b"_Zinvalid", b"_Unwind_Resume", b"?x"),
        *("_ZN3größeEv".encode(), b"_ZN\xff3FooE", b"<name omitted>", b"_Z3fooi bar"),
    ],
)
def test_a_name_that_cannot_be_demangled_is_unchanged(name: bytes) -> None:
    assert demangle(name) == name


def test_names_that_are_too_long_or_expand_too_much_are_unchanged() -> None:
    long = b"_Z1f" + b"P" * MAX_MANGLED_BYTES + b"i"
    assert demangle(long) == long
    doubling = b"".join(b"S_IS%c_S%c_E" % (digit, digit) for digit in b"0123456789ABCDEF")
    exploding = b"_Z1f1aIiiE" + doubling
    assert demangle(exploding) == exploding
    assert len(demangle(b"_Z1f1aIiiE" + doubling[:40])) < MAX_DEMANGLED_BYTES


@given(st.binary(max_size=40), st.sampled_from([b"_ZN", b"_R", b"?", b"__Z", b"_ZN1a17h"]))
def test_random_mangled_names_demangle_to_text(rest: bytes, start: bytes) -> None:
    name = start + rest
    assert demangle(name) == name or demangle(name).decode()


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        (b"./argp/../argp/argp.h", b"argp/argp.h"),
        (b"/usr/./include/x/../y.h", b"/usr/include/y.h"),
        (b"a/../../x.c", b"../x.c"),
        (b"../../x.c", b"../../x.c"),
        (b"/a/../../b.c", b"/b.c"),
        (b"C:\\a\\..\\b.c", b"C:\\b.c"),
        (b"C:\\..\\b.c", b"C:\\b.c"),
        (b"d:/agent/./src\\b.c", b"d:\\agent\\src\\b.c"),
        (b".\\src\\b.c", b"src\\b.c"),
        (b"\\\\host\\share\\..\\..\\x.c", b"\\\\host\\x.c"),
        (b"gr\xf6\xdfe/../x.c", b"x.c"),
    ],
)
def test_detours_in_paths_are_removed(path: bytes, cleaned: bytes) -> None:
    assert clean_path(path) == cleaned


@pytest.mark.parametrize(
    "path",
    [
        b"hg:hg.mozilla.org/mozilla-central:a/../b.cpp:0123456789ab",
        b"git:github.com/rust-lang/rust:library/./core/src/x.rs:0123",
        b"s3:bucket:0123/a/../b.h:",
        b"https://example.org/a/../b.c",
        *(b"a.c", b"/a/b.c", b"..a/.b/c..", b"a//b.c", b"<built-in>", b".", b"a/..", b"../b.c"),
    ],
)
def test_other_paths_are_unchanged(path: bytes) -> None:
    assert clean_path(path) == path


@given(st.lists(st.sampled_from([b"a", b".", b"..", b"", b"/", b"\\", b"x.c"]), max_size=9))
def test_cleaning_a_path_twice_changes_nothing(parts: list[bytes]) -> None:
    once = clean_path(b"/".join(parts))
    assert clean_path(once) == once


def test_all_names_and_paths_of_a_symbol_file_are_demangled_and_cleaned() -> None:
    records = (
        *(b"FILE 0 ./a/../b.c", b"INLINE_ORIGIN 0 _ZN3Foo3barEi", b"FUNC 1000 10 0 _Z1fv"),
        *(b"INLINE 0 7 0 0 1000 8", b"1000 10 5 0", b"PUBLIC 2000 0 _Z1gv"),
    )
    table = read_records(*records)
    found = answer(table, 0x1000)
    (inline,) = found.inlines
    assert (found.function, found.file) == ("f()", "b.c")
    assert (inline.function, inline.file) == ("Foo::bar(int)", "b.c")
    assert answer(table, 0x2000).function == "g()"
    text = b"\n".join([MODULE_RECORD, *records, b""])
    table = SymbolFileReader(MODULE_ID, are_demangled=False).read([text])
    found = answer(table, 0x1000)
    assert (found.function, found.inlines[0].function) == ("_Z1fv", "_ZN3Foo3barEi")
    assert (found.file, answer(table, 0x2000).function) == ("b.c", "_Z1gv")


def test_a_variant_has_linkage_names_behind_the_names_that_differ() -> None:
    records = (
        *(b"FUNC 1000 10 0 _Z1fv", b"INLINE_ORIGIN 0 main", b"INLINE 0 7 0 0 1000 8"),
        *(b"1000 10 5 0", b"PUBLIC 2000 0 _Znot\0mangled"),
    )
    text = b"\n".join([MODULE_RECORD, *records, b""])
    variant = MODULE_ID.with_linkage_names
    found = answer(SymbolFileReader(variant).read([text]), 0x1000)
    assert (found.function, found.inlines[0].function) == ("f()\0_Z1fv", "main")
    as_they_stand = SymbolFileReader(variant, are_demangled=False).read([text])
    assert answer(as_they_stand, 0x1000).function == "_Z1fv"
    # A NUL in a name would be read as the end of it.
    assert answer(as_they_stand, 0x2000).function == "_Znot_mangled"
