"""Tecken's and Eliot's symbolication JSON, versions 5 and 4: requests in, answers out.

    5   {"jobs": [{"memoryMap": [["xul.pdb", "44E4…C2"], …], "stacks": [[[0, 11723767], …], …]}]}
        or one job by itself, without "jobs"
    4   one job by itself, with "version": 4

`requests` reads a payload into the `jobs` that the client sends, `answers` writes what they are
answered in the same version, and `debug` fills Eliot's `debug` as far as its fields apply. The
HTTP gateway and the command line share these functions.

A module or frame that the server would reject does not fail the request: it is answered as not
found, and a line in "errors" says why, in Eliot's words. Fields that are not known are left out.
"""
