"""The insertion policy: how old each page of a new module counts when it is put into the store.

A module has thousands of pages, few of which are ever requested. Put as new, they evict pages in
use; left out, each first lookup of one is a miss. So every page is put with an age: the store
evicts it as if it had been unused for so long already.

    servers  --- functions and pages that calls asked for, pages that the store missed --> cache
    worker   <-- eviction age, scale, uses of the debug file's functions ---------------- cache
    worker   --- pages with their insertion ages ----------------------------------------> store

Three rules, for a store that evicts:

1. A page is as old as its hottest function is rarely asked for. The cache remembers for each debug
   file when its functions were last asked for, in any build, and at what mean interval. The age is
   this interval times a small factor: asked for every minute means new, once a day means old.
2. A module that was ingested before was idle for a whole eviction age, else its directory would
   still be there. All its pages are put as the oldest, except those that somebody waits for.
3. One scale multiplies all ages. It rises while the store misses pages that were asked for before,
   as those put since took their place, and falls while it misses pages that never were.

Example: the store evicts what was unused for an hour, and the scale is 1. A page whose hottest
function is asked for every minute is put 2 seconds old, one without a known function half an hour
old. What would be older than nine tenths of the eviction age is not put at all.

Nothing here fails a call or an ingest: without the cache, all pages are put as new.
"""
