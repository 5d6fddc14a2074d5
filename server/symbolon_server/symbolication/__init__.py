"""One call: stacks of encoded frames in, encoded answers out.

    recall --all remembered--> joined
       |
       +--others--> decoded, grouped by module --> looked up in memory, store, spool
                                                        |            |
                                         joined <-------+            +--> ingest, wait

`Symbolicator.symbolicate` has these steps in order. `memory` is what a server process holds;
`recalling` is the fast path through it; `looking_up` is the way through the other tiers;
`explaining` reports how one answer comes about. This floor knows neither gRPC nor Redis: it sees
frames and answers as bytes of the API's messages, and errors have been translated below.

Rules: what one call works on belongs to its thread. Calls share only the `ServerMemory` and the
stores, which are thread-safe. After the recall, each step first checks whether the caller is gone.
"""
