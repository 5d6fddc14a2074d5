"""Suppliers: directories and symbol servers that may have a module's symbol file.

In comes the requested module; out comes its symbol file as a stream of unpacked text
(`SymbolFileStream`), or one of three errors:

    MissingSymbolFileError        a definite no: 404, 410, no such file
    UnavailableSymbolFileError    no answer; a later attempt may get one
    BrokenSymbolFileError         an answer that cannot be unpacked or is too large

`chain` asks the suppliers in order. The first with a readable symbol file ends the search; if
none has one, the worst of their outcomes counts: unavailable, then malformed, then missing. A
supplier that fails never turns a module into a missing one.

A layout says where files are, as a pure function of the module:

    by_debug_id   xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym
    by_code_id    xul.dll/5F3A1C2D7E4000/xul.sym

Rules: `requests` and `urllib3` errors become `SupplierError`s here and nowhere else; their
texts contain no URL, query or credential. Every fetch has limits of time, bytes sent, bytes
unpacked and pace. Credentials go to the supplier's own origin only, and redirects of a public
server lead only to public addresses. A supplier may be created before a fork and used
after it: it connects at its first fetch.
"""
