"""Symbolicator's native API: stacks that were walked elsewhere, with absolute addresses.

    requests (fields, ids) --> places (processors) --> answering --> client --> gRPC server
    (JSON to stacks)           (address to offset)        |
                                            facts (candidates) --> answers (found_frames)

In comes what Symbolicator's users send to `POST /symbolicate`, out goes what Symbolicator answers:

    {"stacktraces": [{"frames": [{"instruction_addr": "0x4010b0"}]}],
     "modules": [{"type": "elf", "debug_id": "c3d8e3c7-…", "code_file": "/usr/bin/orchard",
                  "image_addr": "0x400000", "image_size": 16384}]}

    {"status": "completed", "stacktraces": [{"frames": [{"status": "symbolicated",
      "original_index": 0, "instruction_addr": "0x4010b0", "function": "_start", …}]}],
     "modules": [{"debug_status": "found", …}]}

or, after the query's `timeout`, `{"status": "pending", "request_id": …, "retry_after": …}`. The
request is held under this id, and `GET /requests/<id>` symbolicates it again.

Rules: what Symbolicator refuses is refused, and nothing else but what exceeds a limit. An answer is
bounded while it is written, because frames repeat parts of their modules. Sources in a request are
never contacted.
"""
