"""What every call goes through, whatever its method: message, thread, limits, status.

A call that gRPC accepted waits for its message without a thread (`arrivals`). Once the message
is there, the call is in flight and gets a thread of the `CallPool`. Its answer counts, in
bytes, until it has left the server (`call_limits`).

    accepted -----> message is there -----> thread -----> answered -----> left
       |  within 10 s      |                                 |  256 MiB in all
       v                   v                                 v
    call is ended       RESOURCE_EXHAUSTED, if the server holds as many calls, or as
                        many unread bytes, as it may

Rules: gRPC has one serving thread, so nothing that runs in it may wait. Refusing has threads of
its own, so a full server says so within milliseconds. Callers that send nothing, or read
nothing, cost a bounded amount of memory and no thread; when there is no room left, answers
unread for 30 s are dropped. A status carries machine-readable details (`google.rpc.Status`):
all violations, or when to retry.

`accepted_calls` is the one module that uses internals of grpc; it says which and why.
"""
