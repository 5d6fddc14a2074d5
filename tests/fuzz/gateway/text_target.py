"""Bytes as a text in any form, from the body of an HTTP request to both of its answers."""

import json
from pathlib import Path

from symbolon import SymbolonError
from symbolon_server.gateway.any_text import read_text
from symbolon_server.gateway.reading import BodyLimits, Deadline
from symbolon_server.gateway.refusals import Refused
from symbolon_server.rpc.calls.status import InvalidRequestError as RefusedError
from tests.fuzz.report_target import ask
from tests.fuzz.target import Target

_PASTED = Path(__file__).parents[2] / "data" / "pasted"
_LIMITS = BodyLimits(max_modules=50, max_frames=500)
_LONGEST = 16_384


def take(data: bytes) -> None:
    """Answer `data` like the gateway."""
    deadline = Deadline.after(60.0)
    try:
        pasted = read_text(data, 1 << 20, _LIMITS, deadline)
    except (SymbolonError, Refused):
        return
    request = pasted.request
    try:
        answers = list(ask(request))
    except RefusedError as error:
        if "the limit is" not in str(error):
            raise  # everything invalid should have been left out
        return
    pasted.write_text(deadline, request, answers, {})
    titles = json.loads(pasted.write_json(request, answers, {}))["titles"]
    assert list(map(len, titles)) == [len(job.frames.lengths) for job in request.jobs]


def _seeds() -> list[bytes]:
    pasted = [path.read_bytes() for path in sorted(_PASTED.iterdir()) if path.suffix != ".md"]
    report = b'{"memoryMap": [["a", "AB0"]], "stacks": [[[0, 1]]]}\n'
    return [*pasted, b"/b/a.so/AB0 0x1\nb.so/{A 7\n", report * 2, b"MDMP"]


TARGET = Target(take, _seeds, longest=_LONGEST)
