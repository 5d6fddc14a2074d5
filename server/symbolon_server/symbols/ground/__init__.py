"""What symbol files and pages have in common: identities, answers and errors.

A `ModuleId` is the pair (debug file, debug id). It is the key of everything that is stored,
printed as `xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2`. Debug ids arrive in several forms and
are normalised to one: upper case, the age in hex without padding.

    {44e4ec8c-2f41-492b-9369-d6b9a059577c}    44E4EC8C2F41492B9369D6B9A059577C0
    44e4ec8c2f41492b9369d6b9a059577c-02       44E4EC8C2F41492B9369D6B9A059577C2

A module whose linkage names were asked for has a second set of pages under a module id that ends in
`~linkage`: its variant. It goes through queue, store, spool and memory like a module of its own.

A file name with a separator, or `..`, is refused, so no module id can lead out of a folder or a
URL path.

An `Answer` says what covers one module offset: function, file, line and the inline frames,
innermost first. Errors have two meanings: `MalformedSymbolFileError` for text that cannot be
read, `DamagedPageError` for bytes to be treated as absent.

Rule: this room imports nothing else of the server.
"""
