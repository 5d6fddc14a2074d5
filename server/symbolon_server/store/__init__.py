"""Page stores: the shared store in Redis, and the spool on disk.

In come page keys or module ids; out come encoded pages and page directories, or None for a
miss. A `PageStore` holds bytes and does not look into them; readers check them.
A call asks them in this order (`CallTiers` in `symbolication/looking_up`).

    store   Redis, one server or a cluster, shared by all servers and workers, evicts the least
            recently used
    spool   <folder>/v<version>/<debug file>/<DEBUG ID>.pages, one page file per module,
            bounded in bytes, shared by the processes of one user on a host

Rules: a store may forget anything at any time. It never raises because it is down, full or slow:
a failed read is a miss, a failed write is lost, and both are counted by reason. Pages are put
before the directory that leads to them, but for those that a full store would soon evict. A page
file appears whole, by renaming, and is never changed; readers take no lock.

Servers answer most frames from their own memory, which the store cannot see. `RecentUse` touches
the keys in use every 30 s: otherwise the hottest pages would be evicted first.
"""
