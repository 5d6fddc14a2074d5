"""What the cache Redis remembers for all servers and workers, apart from the queue of ingests.

    outcome       why a module is unavailable, each kind for its own lifetime
    attempts      how often in a row it was unavailable, for 10 minutes
    missing       which missing modules were requested, how often and when: at most 10,000
    suppliers     what each supplier said about a module, as long as its failure or 10 minutes
    supplier      which suppliers are backed off from, and which worker tries one
    invalidated   the log of invalidations: at most 10,000 modules

`redis_servers.keys` has the name of every key. `KeyedCache` reads and writes values and turns every
failure of Redis into `CacheUnavailableError`. Values that other programs wrote count as absent.

Rules: unlike the store, this Redis must not evict. Everything in it has a lifetime or a bound,
so it does not grow with the number of modules ever requested. Each key can be deleted at any
time: what is missing is made again.

Invalidations: `InvalidateModules` gives modules the next number of the log. Every page directory
says which number was the last at the start of its ingest (`as_of`).

    an ingest of a.so begins            last number 6     its directory says 6
    a.so is invalidated                 gets number 7     6 < 7: the directory is stale
    another ingest of a.so begins       last number 7     its directory says 7 and is used

So it does not matter which store held an old page, once a server knows the number: it hears of it
at once, or within a second if the announcement is lost. The cache may lose the log: after a flush,
or a failover to a replica that lags. A log therefore starts with a number from Redis's clock and
has an epoch. A server that sees a new epoch, or a smaller last number, writes the numbers it knows
back before anything else.
"""
