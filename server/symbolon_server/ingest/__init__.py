"""Ingests: each module is fetched once, however many calls and servers want it.

    call --enqueue--> queue in the cache Redis --claim--> worker --fork--> ingest process
      ^                                                     |                  |
      +------------- announced: look again <------end-------+     spool, store <

`queueing` is the queue, seen from servers that add to it and from workers that take from it.
`working` is what a worker does with a job. The queue names modules and module offsets; pages
and symbol files never pass through it.
"""
