"""The functions of pages are those that calls are answered with, whatever their names are."""

from random import Random

import pytest

from symbolon_server.insertion.function_uses import fingerprints_of
from symbolon_server.insertion.page_functions import functions_of_pages
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts, PagedModule
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.linkage_names import divide_names
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.paging import decode_pages

XUL = ModuleId("xul: a.so", "1" * 33)
NAMES = [
    b"main",
    b"",
    b"x" * 20_000,
    b"\xff\xfe not UTF-8 \xc3",
    "größer".encode(),
    b"_ZN3foo3barEi",
    b"a b <c, d>::e(f *)",
    b"main",  # of another address
]


def paged(records: list[bytes], module_id: ModuleId = XUL) -> tuple[SymbolTable, PagedModule]:
    reader = SymbolFileReader(module_id)
    head = f"MODULE Linux x86_64 {XUL.debug_id} {XUL.debug_file}".encode()
    reader.feed(b"\n".join([head, b"FILE 0 a.c", *records, b""]))
    table = reader.finish()
    return table, write_pages(table, new_generation(Random(0)), IngestFacts("", 0.0, 0.0, 0))


def answered_functions(module: PagedModule, offsets: range) -> list[set[bytes]]:
    """Return the functions that each page answers these offsets with, as the frames have them."""
    found: list[set[bytes]] = [set() for _ in range(module.directory.page_count)]
    pages = decode_pages(module)
    for offset in offsets:
        number = module.directory.find_page(offset)
        assert number is not None
        answer = pages[number].encoded_answer(pages[number].find_row(offset))
        if answer is not None:
            fields = divide_names(answer[1])  # of a variant; otherwise it changes no function
            found[number].add(api_frames.function_of(api_frames.frame(b"", offset, 1, fields)))
    return [functions - {b""} for functions in found]


@pytest.mark.parametrize("module_id", XUL.variants, ids=["plain", "variant"])
@pytest.mark.parametrize("count", [len(NAMES), 5000])
def test_each_page_has_the_functions_that_it_answers_with(count: int, module_id: ModuleId) -> None:
    names = [NAMES[n] if n < len(NAMES) else b"f%d" % (n // 3) for n in range(count)]
    records = [
        b"FUNC %x 10 0 %b\n%x 10 7 0" % (32 * n, name, 32 * n) for n, name in enumerate(names)
    ]
    table, module = paged([*records, b"PUBLIC %x 0 _Z6publicv" % (32 * count)], module_id)
    page, functions = functions_of_pages(table, module.directory)
    assert page.tolist() == sorted(page.tolist())
    for number, answered in enumerate(answered_functions(module, range(0, 32 * count + 1, 32))):
        known = {tuple(one) for one in functions[page == number].tolist()}
        assert {tuple(one) for one in fingerprints_of(answered).tolist()} <= known
        assert len(known) - len(answered) in (0, 1)  # the empty name may be known, too


def test_a_module_without_functions_has_none() -> None:
    table, module = paged([b"STACK CFI INIT 0 10 .cfa: $rsp 8 +"])
    page, functions = functions_of_pages(table, module.directory)
    assert (page.shape, functions.shape) == ((0,), (0, 3))
