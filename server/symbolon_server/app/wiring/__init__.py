"""Turns settings into parts, and parts into services.

    Settings -> redis_connections   embedded servers started, given ones checked
             -> suppliers           suppliers, or only whether they are usable
             -> from_settings       store, spool, lifetimes of failures
             -> security            certificates, tokens, TLS of the gateway
             -> tracing             what makes and sends the spans of a program
             -> services            tiers and memory, then the services of a serving process
             -> metrics_server      one endpoint for metrics and probes, children included

Rules: settings that cannot be used raise `StartError` with the variable and the fix, before
anything serves. A worker imports nothing from here that loads gRPC: `security`, `services` and
the gateway are for other programs.
"""
