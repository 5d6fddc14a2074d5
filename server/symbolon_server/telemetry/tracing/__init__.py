"""Traces: what one call did, from its client to the ingest that it waited for.

    contexts    which span a caller is in, as W3C Trace Context writes it
    spans       what was done, when, as part of what; the current span of a thread
    sampling    which traces are sampled
    tracer      begins the outermost span of a call or a job
    outbox      ended spans that wait to be sent: bounded, sent by a thread or between two jobs
    variables   OpenTelemetry's own variables, checked
    otlp        writes spans as OTLP and sends them over HTTP; it alone imports OpenTelemetry

    call --> `Tracer.begin` decides whether it is sampled --> `Span`, current in its thread
              `child` within it --> a span of its own, or nothing if there is no current span

Rules: without tracing, and in a call that is not sampled, no span is made. Attributes have values
that logs may have: module ids and names of suppliers, never URLs, tokens or text of callers. An
ingest process gathers its spans, and its worker sends them: it has neither threads nor connections.
"""
