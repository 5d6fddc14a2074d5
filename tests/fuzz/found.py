"""Inputs that broke a target, minimised, each with a name that describes it."""

from symbolon_server.symbols.paging.envelope import FORMAT_VERSION

_PAGE_FILE = b"\1SyF" + bytes([FORMAT_VERSION])
"""The target corrects its checksum."""

FOUND = {
    "a page file of more pages than its table holds": (
        "page_file",
        _PAGE_FILE + b"\xff\xff\0\0" + bytes(60),
    ),
    "a page file of more pages than memory holds": (
        "page_file",
        _PAGE_FILE + b"\xff\xff\xff\xff" + bytes(60),
    ),
    "a frame that ends within its module index": ("request", b"\x12\x04\x0a\x02\x08\x80"),
    "an invalidation whose number is a fraction": (
        "queue",
        b"\0\5\0\x08\0\0\0\0\0\0\0\r",
    ),
    "a text in place of the log of invalidations": ("queue", b"\3\5\0\1x"),
    "a report with half a surrogate pair as a debug file": (
        "report",
        b'{"memoryMap": [["\\ud800", "0"]], "stacks": [[[0, 1]]]}',
    ),
    "a module with the id of an old PDB, with a dash": (
        "stacks",
        (
            b'{"stacktraces": [{"frames": [{"instruction_addr": "0x401211"}]}], "modules": '
            b'[{"type": "pe", "debug_id": "ff9f9f78-410", "image_size": 5198400}]}'
        ),
    ),
}
"""Target and input by name."""
