"""Turns a `SymbolTable` into pages and finds answers in them.

A module is stored as numbered pages and one page directory, which has the module's facts and
the first module offset of each page. To answer, bisect the directory for the page, then the
page for the range. A page needs no other page and no directory to answer for its ranges.

    stored     +-----+---------+--------+----------------------------------------------+
               | SyP | version | CRC-32 | zstd frame                                   |
    bytes      |  3  |    1    |   4    | the rest                                     |
               +-----+---------+--------+----------------------------------------------+
                                          | unpacked
    content    +--------+--------+-------------------+--------------+------------------+
               | header | widths | planes of columns | names, UTF-8 | paths, UTF-8     |
    bytes      |   28   |   14   | see below         | a newline after each            |
               +--------+--------+-------------------+--------------+------------------+

    header    first module offset (8 bytes), then the numbers of ranges, symbols, chains,
              names and paths (4 bytes each), little-endian
    widths    for each of the 14 columns how many bytes one value takes, 1 to 8
    planes    the lowest bytes of all columns, then the second bytes of those that have
              them, and so on; the widest columns come first in each plane

The CRC covers mark, version, owner and zstd frame. The owner (generation and page number) is
not stored: a page under another page's key fails the check like a damaged one.

The symbol file in `reading` makes one page of 69 bytes:

    00 10 00 00 00 00 00 00                      first module offset 0x1000
    03 00 00 00  01 00 00 00  00 00 00 00        3 ranges, 1 symbol, 0 chains
    01 00 00 00  01 00 00 00                     1 name, 1 path
    01 01 01 01 01 01 01 01 01 01 01 01 01 01    every column takes one byte per value
    00 04 04                                     range steps: +0, +4, +4
    00 02 01                                     range symbols: a new one, the same, none
    02 02 02                                     range chains: none (zigzag of 1)
    00 00 00                                     range files: that of the name
    00 04 00                                     range lines: that of the name, +2, +0 (zigzag)
    00  08  00                                   symbol: starts at +0, size 8, no flags
    00                                           its name: a new one
    01  05                                       the name's own file (path 1) and line 5
    66 0a  61 2e 63 0a                           "f", "a.c"

Values are differences from a good guess, so most bytes are 0 and zstd removes them. Pages of a
large module share a page dictionary, stored behind the last page; a page whose dictionary is
missing is absent.

Rule: what is cut, changed, of another version or of another owner raises `DamagedPageError` and
is treated as absent, never believed. A change of any format here needs a new `FORMAT_VERSION`;
a reader knows one version only. The version is part of every generation and of every key, so
servers of two versions share a store without reading each other's pages.
"""
