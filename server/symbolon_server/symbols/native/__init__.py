"""Reads a SymCache, the lookup table that `symbolic` makes of a native file: bytes in, a
`SymbolTable` out.

All numbers are little-endian and 32 bits wide. Before each part, zeros fill up to a multiple of 8.

| part | content |
|---|---|
| header | mark `SYMC`, version, debug id, architecture, the counts below, 16 unused bytes |
| files | directory of the compilation, directory, name; from version 9 on, three more of srcsrv |
| functions | name, an unused number, start, language |
| locations | file, line, function, and the location of the call that inlined it |
| ranges | their starts, ascending |
| strings | each its length as LEB128, then UTF-8; names and directories are offsets of them |

    locations   0: a.c:7  f        range 0x1000: location 1    f, a.c:5
                1: a.c:5  f        range 0x1004: location 2    g, b.h:2, inlined into f at a.c:7
                2: b.h:2  g in 0   range 0x1008: location 3    nothing
                3: (none)

The last locations belong to the ranges, one each; those before are calls. A range ends where the
next one starts, and the last one has no end. `NONE` is no string, file, call or start of a
function; in all columns of a location it says that the range is a gap. A function whose language is
`NONE` was in the symbol table of the file only, and is a public symbol here.

What it lacks is the lines of functions without an entry in the debug information: `missing_lines`
takes them from the line tables of the file (`line_tables`, decision 0116).

Versions 8 and 9 are read. Rule: a cache is refused (`MalformedSymbolFileError`) if any of its
numbers leads nowhere, so that whatever is read from it is an answer that it gives.
"""
