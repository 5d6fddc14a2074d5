"""Reads debug files of compilers and linkers: a file in, a `SymbolTable` out.

    name.pd_  --cabinet-->  name.pdb --conversion--> SymCache --symbols/native--> SymbolTable

The file is on disk and is mapped rather than read, because some have gigabytes. `kinds` says by its
first bytes what it is, whatever its name. `elf_checks` looks at an ELF file before `symbolic`
converts it: it refuses what would end the process or give wrong answers, and notes what `symbolic`
leaves out without a word.

Converting is work for a process that may die: a damaged file can take much memory and time. Only
this room uses `symbolic` and `archi`. They are imported where they are needed, because the extra
`native` brings them and symbol files do not need them.

Rule: the file decides whose it is. It is refused (`OtherModuleError`) unless its own id is the one
that was asked for.
"""
