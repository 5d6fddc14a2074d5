"""`Symbolicate` and `SymbolicateStream`: bytes of a request in, bytes of a response out.

    count fields --> read --> limits, wait --> symbolication --> joined response

Fields are counted in the request's bytes before anything is built of it, because 16 KB of gzip
can hold millions of fields. Modules, stacks and frames stay encoded: their bytes are the keys
under which answers are remembered. A response is joined from encoded frames, never built as a
message. `Answerer.answer` in `service` has these steps in order.

A stream takes the same steps for each request. One thread takes requests while the stream holds
no more than 32 of them and 4 MiB; a pool shared by all streams answers them, each stream's next
request in turn; another thread sends the answers, as they get ready. Back-pressure: a caller
that does not read blocks the sender, which blocks the taker, so that HTTP/2 flow control stops
the caller. A request that breaks a rule is answered with a `StreamError`; the stream goes on.

Rules: an invalid request is answered with all violations, each with its field, and with nothing
that the caller sent. At most half of the threads wait for ingests; a call that finds no
place is answered at once with what is known.
"""
