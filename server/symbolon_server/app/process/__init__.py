"""What a program shares with the operating system: heap, core, ports, signals, child programs.

glibc is configured once, before the first thread starts, to keep freed memory and to use one heap
for all threads: otherwise a large answer spends a third of its time on page faults. The heap
keeper, a thread, trims the heap when the process is quiet. The garbage collector pauses during the
start. All threads but the main one are pinned to one core that no other server on the machine has
claimed: because of the GIL only one runs at a time, and on several cores each step would wake
another core.

Child programs say at intervals how they are (`telemetry.pulse`); `program_health` turns that into
what liveness and readiness probes are told.

Rules: nothing here changes an answer. Without glibc the heap is left as it is; in a container
without a cpuset the threads are not pinned, unless the settings say so. A child program dies with
its parent, even if the parent is killed.
"""
