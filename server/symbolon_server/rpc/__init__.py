"""The gRPC surface: calls in, statuses and messages out. Only this floor and the client know gRPC.

    serving ---> access ---> calls ---> symbolicate | operators
    (accepted)   (allowed)   (a thread)  (answered)

Errors are translated here once: a request that breaks a rule is INVALID_ARGUMENT with all
violations, a full server is RESOURCE_EXHAUSTED and a stopping one UNAVAILABLE, both with the
time after which to retry, and anything unexpected is INTERNAL with a request id; its details
are logged and not sent.
"""
