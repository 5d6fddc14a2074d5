"""The programs that `symbolon-server` can be, from start to orderly stop.

    serve ----+--> serving process (one, or several on one port by SO_REUSEPORT)
              +--> HTTP gateway, with SYMBOLON_HTTP
              +--> worker, if a Redis server is embedded
              +--> embedded Redis servers
    worker ------> ingest process (a fork, one ingest)
    symbolicate -> embedded Redis servers, worker; serves and calls itself, then ends them all
    check -------> reports whether a server would start with these settings and work

Whatever `serve` starts is a program of its own, never a fork: gRPC's threads do not survive a
fork. What starts it (`serve_children`, `worker_child`), the program (`*_main`, `*_command`) and
what it does (`*_process`) are separate modules, so that a parent does not import numpy or uvicorn
for a child. A program imports its `*_process` in a function, once the heap and the garbage
collector are set up.

Rules: a child that ends is restarted; all children die with their parent, even if it is killed.
Programs stop in the opposite order of their start: first calls, then the worker they may wait for,
last the Redis servers. Every program counts into files in a folder of its parent, whose metrics
endpoint adds them up. SIGHUP reloads certificates and tokens; SIGTERM and SIGINT stop; SIGUSR1 and
SIGUSR2 are logged and ignored.
"""
