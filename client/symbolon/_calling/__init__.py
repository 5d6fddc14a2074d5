"""How the client makes calls: channels, credentials, deadlines, retries, errors.

In comes a `Call`: a method, its request, and how its response is decoded. Out comes a value, or an
error of this package. `Client` waits for it in a thread, `AsyncClient` in an event loop; everything
else that they share is here.

Every call has a deadline. gRPC's errors become those of `symbolon.errors` in one place
(`rpc_errors`). gRPC itself retries the calls that are safe to repeat (`channels`); a call of
`InvalidateModules` is never retried. A token is sent over TLS, or without it only to this machine
and not through a proxy (`tokens`). Health checks and the details of a status are read without
their packages, so that grpcio and protobuf are the only dependencies.
"""
