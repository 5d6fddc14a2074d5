"""Symbol files and pages: pure code, without I/O, threads or clocks.

    symbol file (text)  --reading-->  SymbolTable  --paging-->  pages and page directory (bytes)
    SymCache (bytes)    --native--->  SymbolTable
    pages (bytes)       --paging--->  answers for module offsets

`ground` has what both sides share: module ids, answers, errors. `reading`, `native` and `paging`
meet only in `SymbolTable`. Everything here is a function of its arguments, so the tests compare it
with slow models and the fuzzers run it on arbitrary bytes.
"""
