"""Suppliers: directories and symbol servers that may have a module's symbol file.

In comes the requested module; out come the files that a supplier may have of it (`candidates`),
each as a stream of unpacked bytes (`SymbolFileStream`), or one of three errors:

    MissingSymbolFileError        a definite no: 404, 410, no such file
    UnavailableSymbolFileError    no answer; a later attempt may get one
    BrokenSymbolFileError         an answer that cannot be unpacked or is too large

`chain` asks the suppliers in order. If none has a readable file, the worst of their outcomes
counts: unavailable, then malformed, then missing. A supplier that fails never turns a module into a
missing one.

A layout says where files are, as a pure function of the module:

    debug_id      xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym
    debuginfod    buildid/dfb85de42daffd09640c8fe377d572de3e168920/debuginfo

`parse` reads the setting, `sources_file` the files that it names; both yield a `source`, of which a
supplier is made. `secrets` reads what must not stand in such a file, `buckets` what `s3://` means.

Rules: `requests` and `urllib3` errors become `SupplierError`s here and nowhere else; their
texts contain no URL, query or credential. Every fetch has limits of time, bytes sent, bytes
unpacked and pace. Credentials go to the supplier's own origin only, and redirects of a public
server lead only to public addresses. A supplier may be created before a fork and used
after it: it connects at its first fetch.
"""
