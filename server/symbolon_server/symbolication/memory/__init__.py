"""What a server process holds in memory: page directories, pages, page dictionaries, whole frames.

All of it together is bounded in bytes: half for pages, 30 % for frames, a tenth each for page
dictionaries and modules. Each map ages in two halves: new and used entries are in the young half;
when that is full it becomes the old half, and what was in the old half and not used since is
evicted. A lookup of a young entry changes nothing, so remembered frames are read without a lock.

A frame is remembered per generation of its module, by the bytes in which it was requested:

    encoded Frame          08 03 | 10 af 34          module_index 3, module_offset 0x1a2f
    key in its FrameTable          10 af 34          everything after the module index
    value                  encoded SymbolicatedFrame, joined into a response as it is

A module that is ingested again has a new generation and an empty table, so no answer of an earlier
generation is ever given. An invalidated module is deleted; its number is checked once more after
each put, so that a module that was invalidated in the meantime does not stay.

Rule: one lock per map for writing, held for microseconds; evicted entries are freed outside of it.
"""
