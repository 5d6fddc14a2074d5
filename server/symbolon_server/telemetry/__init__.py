"""What all programs share: logs, metrics, background threads and backoff.

    logs              one line per event, as `key=value` or JSON; no value can forge a line
    metrics           every metric, declared once; `metrics_table()` is their documentation
    tallies           cheap notes of a call, added to the metrics when these are read
    endpoint          the HTTP endpoint for Prometheus and probes, which adds up all processes
    pulse             what a child program says of its condition
    tracing           spans of calls and ingests, and how they reach a collector
    lasting_threads   threads that survive unexpected errors, and report health when they cannot
    backoff           exponential backoff

Rules: this floor imports nothing else of the server. Labels have values from small fixed sets,
never from requests. Text from a caller is never logged as a value; parsed module ids are.

    2026-11-23T10:15:00.123Z info call_ended method=Symbolicate seconds=0.004
"""
