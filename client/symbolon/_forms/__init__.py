"""Crash reports in any form: what people have, read into what the client sends.

    unpacking --> inputs ------------> documents --> table --> crash --> a job
    (gzip, zstd)  (documents, lines)   (one of them) (forms)   (threads)

`inputs` looks at the beginning of an input and divides it: one document, one JSON document a line,
or `raw_lines`, `xul.pdb/44E4…C2 0x1a2f` each. `documents` loads one, which is counted before a
request is made of it: the JSON of Tecken's and Eliot's API, or what other programs print. `table`
lists the forms of these and finds the one that a document has. Each is one module, with a function
that says whether a content has the form, and one that returns its `Crash`: threads of frames, with
what the report says of their modules. What a report lacks, such as a build id, becomes a line in
the job's problems. The command line and the HTTP gateway share all of this.

Reading takes time in proportion to the input: lines are matched from their start or searched for
fixed text, never with a pattern that can begin and end in many places.
"""
