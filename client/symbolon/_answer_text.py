"""Answers as text, as `symbolon symbolicate` and the HTTP gateway give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from symbolon._messages.answers import EncodedAnswer, decode_answer
from symbolon._tecken.answers import describe_modules
from symbolon._tecken.jobs import Job, RejectedFrame
from symbolon.results import SymbolicatedFrame
from symbolon.text import TextStyle, make_printable, write_calls, write_crash, write_problems


def write_document(
    jobs: Sequence[Job],
    answers: Sequence[EncodedAnswer],
    style: TextStyle,
    *,
    line: int | None = None,
) -> str:
    """Return the stacks of each report, with headings if there are several reports.

    `line` is the number of the document if it is one of several.
    """
    crashes = [
        _write_job(job, answer, style).rstrip() for job, answer in zip(jobs, answers, strict=True)
    ]
    if len(crashes) > 1:
        name = "Report" if line is None else f"Report {line}, job"
        crashes = [f"{name} {number}\n\n{crash}" for number, crash in enumerate(crashes)]
    elif line is not None:
        crashes = [f"Report {line}\n\n{crash}" for crash in crashes]
    return "\n\n".join(crashes) + ("" if line is None else "\n")


def _write_job(job: Job, encoded: EncodedAnswer, style: TextStyle) -> str:
    answer = replace(decode_answer(encoded), modules=tuple(describe_modules(job, encoded)))
    modules = [entry.module for entry in job.modules]
    rejected = job.frames.cut_rejected()
    return write_crash(
        modules, answer, style, rejected=rejected, problems=job.problems, titles=job.titles
    )


def write_raw_stack(job: Job, encoded: EncodedAnswer, style: TextStyle) -> Iterator[str]:
    """Yield the lines of each frame of the only stack, then what was not looked up."""
    (stack,) = decode_answer(encoded).stacks
    (rejected,) = job.frames.cut_rejected()
    for place, frame in enumerate(stack):
        yield from write_raw_frame(frame, style, rejected.get(place))
    yield from write_problems(job.problems, style.colors)


def write_raw_frame(
    frame: SymbolicatedFrame, style: TextStyle, rejected: RejectedFrame | None = None
) -> Iterator[str]:
    """Yield the frame's lines; those after the innermost call are indented."""
    module = frame.module if rejected is None else rejected.name_module(frame.module)
    offset = f"0x{frame.module_offset:x}" if rejected is None else rejected.offset
    indent = f"{make_printable(module)} {make_printable(offset)}  "
    for call in write_calls(frame, style, rejected):
        yield indent + call
        indent = "    "
