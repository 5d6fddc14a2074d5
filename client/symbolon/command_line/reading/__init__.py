"""What commands read: crash reports, raw lines and module names; TLS files and tokens.

`inputs` looks at the beginning of an input and cuts it into parts: one JSON document, one document
a line, or one raw line `xul.pdb/44E4…C2 0x1a2f` each; `unpacking` has unpacked it. `documents`
reads one document in any of its forms.
"""
