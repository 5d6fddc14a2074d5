"""Crash reports as other programs print them, read into jobs.

`table` lists the forms and finds the one that an input has. Each form is one module, with a
function that says whether an input has the form, and one that returns its `Crash`: threads of
frames, with what the report says of their modules. `crash` makes the job of it. What a report
lacks, such as a build id, becomes a line in the job's problems.

Reading takes time in proportion to the input: lines are matched from their start or searched for
fixed text, never with a pattern that can begin and end in many places.
"""
