"""The HTTP gateway: Tecken's and Eliot's API, health, and a page for people.

    admission --> reading, any_text, explaining --> single_call, symbolicating --> client --> gRPC
    (headers)     (token, body, report or frame)    (calls, response)                        server

A body that came before goes from its token to its call at once (answer_memory).

It runs in a process of its own and is a client of the gRPC server, so it shares that server's
limits and memory. In comes a report in JSON:

    POST /symbolicate/v5   {"memoryMap": [["orchard", "C3D8E3C7B6594DF1DFCA907993B477250"]],
                            "stacks": [[[0, 4272]]]}

or any text that `symbolon symbolicate` reads, or one frame to explain. Out goes a line of JSON as
Eliot writes it, or the text that `symbolon symbolicate` prints, or a status with one line of text:

    400  the report is invalid or exceeds a limit       413  the body is too large
    401  the token is missing or unknown                421  the host name is not served
    403  no permission, or a page of a foreign origin   503  retry after `Retry-After`
    408  the body takes too long                        504  the answer took too long

Rules: headers decide on admission before the body is read. Limits are checked before a body is
parsed, and apply to all jobs of a body together. Every step checks the deadline. The event loop
never waits: reading, calls and health checks have separate threads, but for a request that is one
call, which waits without one.
"""
