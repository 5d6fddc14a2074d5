"""The gRPC server itself: options, port, interceptor, health, reflection, orderly stop.

`CallGate` is the only interceptor. It asks, in this order: may this caller call (`access`),
which function answers, is there room (`calls`). gRPC's one serving thread runs it, so it only
chooses a function. `Outermost` wraps each function once: it counts and times the call, writes
the access log, and turns an unexpected error into INTERNAL.

Stop: health says NOT_SERVING first; then new calls are refused with UNAVAILABLE, so clients go
to another server; then calls in flight get their grace period.

Rules: health answers while the server is full. It is NOT_SERVING only during a stop, or while a
thread that every server needs cannot go on. A Redis in trouble does not change it: calls are
still answered from memory, and a restart would lose that.
"""
