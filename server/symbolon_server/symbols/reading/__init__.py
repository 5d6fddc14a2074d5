"""Reads a Breakpad symbol file: pieces of text in, a `SymbolTable` out.

    MODULE Linux x86_64 000000000000000000000000000000000 a.so
    FILE 0 a.c
    FUNC 1000 8 0 f                      start, size, parameter size, name
    1000 4 5 0                           line record: start, size, line, file
    1004 4 7 0

becomes three ranges, each up to the start of the next:

    0x1000   f, a.c:5
    0x1004   f, a.c:7
    0x1008   nothing (the gap after f)

The text is never held in memory whole. The reader cuts it into blocks of about 1 MiB and each
block into lines and tokens. Line and INLINE records, nineteen records in twenty, are read as
numpy columns (`bulk_records`), and so are the numbers in front of names (`bulk_names`). Every
record in an unusual form goes through the strict parsers in `records`, which define the grammar.
A thread (`group_resolver`) resolves functions into ranges, and their records are dropped, as soon
as enough of them are complete.

Rules: as permissive as Breakpad's own reader. A bad record is skipped and counted by kind.
Where two functions, lines or public symbols claim the same offset, the first in the file wins.
A file is refused (`MalformedSymbolFileError`) only if its first MODULE record is bad, missing
or has another debug id. A later MODULE record with another debug id ends the module's part.
"""
