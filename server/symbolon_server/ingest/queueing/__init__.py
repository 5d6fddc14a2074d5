"""The queue of ingests in the cache Redis: single flight for all servers and workers.

A server enqueues modules with the module offsets it needs and waits to be woken. A worker
claims a job, renews the claim while it works, and ends it. A module has a job if and only if it
is in `line` or in `running`.

    (no job) --enqueue--> in line --claim--> running --end--> (no job), announced
                           ^  | ^              |  ^ |
      a better band, or    |  | +--give back---+  +-+ claimed again after its lease lapsed
      no caller waits now +--+

Order: three bands, `AWAITED`, `WANTED` and `PREFETCH`; within a band callers take turns. A
caller's next module goes one turn after its last one, but not before the head of the band.

    turn      10       11       12
    line      A1       A2       A3          caller A has three modules in line
    line      A1 B1    A2 B2    A3          after caller B has asked for two

The queue remembers which spool has a module. A worker that meets the job of such a module hands it
on to the workers of that spool, if one of them claimed within the last seconds:

    in line --handed on--> running, claimed by the spool --claim--> running
                                 |                          ^
                                 +--lapsed, claimed by any--+

Rules: every change is one Lua script, one step of Redis, for at most 100 modules; its cost does
not depend on the length of the queue. A claim holds for 15 s after its last renewal, so a dead
worker blocks its module for no longer. A module invalidated after its claim goes back into the
line instead of ending. The queue is bounded and says which modules it refused.

Announcements can be lost. `Waiters` therefore looks at the queue once a second, in one round
trip for all calls of the process; the same look tells the queue that they still wait. Waiting
ends when all modules have ended, at the call's deadline, or when its caller is gone.
"""
