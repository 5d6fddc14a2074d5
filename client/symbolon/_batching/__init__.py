"""Which reports go into which calls, and which answer belongs to which report; no network here.

    reports --> packer --> batch --> call(s) --> the answer to each report

Small reports share a call, in which each module is sent once (`joint_calls`). A large report is
divided among several calls (`divided_calls`). A run may remember frames (`run_memory`): then only
the frames that are still unknown are requested (`partial_answers`).

    reports   A with modules x, y; B with modules y, z
    call      modules x, y, z; the stacks of A, then those of B, with indexes into this list
    answers   A gets the results of x and y, B those of y and z

Answers come in the order of the reports. A report that cannot be sent, or breaks a rule of the
server, fails alone: the others of its batch are sent again without it. Reports that share a call
share its module outcomes: a module that is pending for one is pending for all.
"""
