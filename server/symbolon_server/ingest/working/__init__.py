"""A worker: takes one job after the other, does each in a fork, and reports what came of it.

    claim --> fork (ingest process, limited in memory and time) --> report through a pipe
      |
      +--> remember or forget the failure --> end the job, which announces it

`ingest` takes the cheapest way: nothing, if the store has sound pages for the offsets wanted;
else the spool of this host; else the suppliers in order, whose text goes into the reader as it
arrives. The pages of the whole module go to the spool. The store gets the wanted pages first,
the others with the ages that `insertion` gives them, and the page directory last.

Out comes an `IngestOutcome`: held, from the spool, ingested, not kept (the store is down), or
missing, unavailable or malformed with one line that says why.

Rules: whatever kills the fork leaves the worker and its other modules alone. Exceeding the
memory limit is malformed, since the next attempt would need as much; exceeding the time limit
is unavailable. A module that killed two workers is not tried by a third. The failure is
remembered before the end is announced: calls that wake up look for it.

A supplier that failed three times in a row is backed off from by all workers, for 5 s, doubled
up to a minute; then one worker at a time tries it.

A worker has no gRPC and no second thread, because it forks.
"""
