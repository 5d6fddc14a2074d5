"""Between plain values and the API's messages; no network here.

    report   --encoding-->  bytes of Modules and Frames      --> RawRequest
    RawResponse --> bytes of SymbolicatedFrames (`answers`)  --decoding--> values, on first use

A frame's bytes are joined from two cached pieces: its module index, known only once it is known
what else is in the call, and the fields after it.

    Frame(module_index=3, module_offset=0x1a2f)     08 03 | 10 af 34

Frames stay encoded until they are read as values, and frames that recur then cost one look
into a dictionary. `raw_messages` are the generated messages with those fields declared as bytes.

Every value made here equals the one that the generated messages give; the tests compare them.
"""
