"""Connections to the two Redis servers, the store and the cache: external, replicated or embedded.

In comes a URL (`redis://`, `rediss://`, `unix://`, or `redis+sentinel://` with the name of a
replicated server); out comes a client whose connections follow the server through restarts and
failovers. One lost connection renews the whole pool. With Sentinels, each new connection asks
them for the primary. With `redis+cluster://`, for the store alone, out comes a `Cluster`: a client
for each node, all asked at the same time. After a failure a `Circuit` stays open for a second,
then one caller at a time tries the server: a dead Redis costs calls no time.

Without URLs the server starts Redis or Valkey itself, from `redis/store.conf` and
`redis/cache.conf`. Embedded servers listen on a Unix socket in a private folder and end with
the process that started them, even when that is killed.

Rules: every step of a command has a timeout, so a Redis that hangs is noticed in under a
second. Passwords never leave this room: error messages are written here, not copied from
redis-py or from a Redis reply. The server does not start with a Redis whose configuration would
lose work (a cache that evicts) or fill up (a store that does not), unless a setting allows it.
"""
