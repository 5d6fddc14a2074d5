"""Pages whose texts are too long for one page."""

import random

from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.ground.pages import IngestFacts
from symbolon_server.symbols.paging import contents as page_contents
from symbolon_server.symbols.paging.writer import new_generation, write_pages
from symbolon_server.symbols.reading.reader import SymbolFileReader
from tests.fixtures.paging import decode_pages

MODULE_ID = ModuleId.parse("foo", "0123456789ABCDEF0123456789ABCDEF0")
INGEST = IngestFacts("a supplier", 0.0, 0.0, 0)


def test_four_hundred_public_symbols_with_names_of_82_kb_fit_pages_that_can_be_read() -> None:
    names = [f"{number:04}".ljust(82_000, "x") for number in range(400)]
    reader = SymbolFileReader(MODULE_ID)
    reader.feed(f"MODULE Linux x86_64 {MODULE_ID.debug_id} foo\n".encode())
    for number, name in enumerate(names):
        reader.feed(f"PUBLIC {0x1000 + 16 * number:x} 0 {name}\n".encode())
    module = write_pages(reader.finish(), new_generation(random.Random(1)), INGEST)
    assert module.directory.page_count > 1
    pages = decode_pages(module)
    assert all(page.memory_bytes <= 1.1 * page_contents.MAX_PAGE_BYTES for page in pages)
    for number, name in enumerate(names):
        offset = 0x1000 + 16 * number
        page_number = module.directory.find_page(offset)
        assert page_number is not None
        answer = pages[page_number].find(offset)
        assert answer is not None
        assert answer.function == name
