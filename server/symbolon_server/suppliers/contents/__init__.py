"""The content that a supplier sends: a bounded stream of text, whatever packed it.

In come the bytes as sent; out comes the text of a symbol file or a native file
(`SymbolFileStream`), or a `SupplierError`. Compression and framing are detected by their first
bytes, never by a file name or a header, and removed in up to four layers:

    1f 8b ...                   gzip        several members are one text
    78 9c ...                   zlib        several streams are one text
    28 b5 2f fd ...             zstd        several frames are one text
    fd 37 7a 58 5a 00 ...       xz          several streams are one text
    10000;chunk-signature=...   aws-chunked
    MODULE windows x86_64 ...   text

Rules: everything is streamed, and every step has a limit, so that a decompression bomb costs little
memory. Truncated data is an error of its own: the file may be complete later.
"""
