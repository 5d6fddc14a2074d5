"""Bytes as crash reports in JSON, versions 4 and 5, from the file to the JSON of the answer."""

import json
from collections.abc import Iterator

from symbolon._batching.batches import pair
from symbolon._batching.packers import PlainPacker, pack
from symbolon._forms.inputs import parse_json
from symbolon._messages.answers import EncodedAnswer, decode_answer
from symbolon._messages.raw_messages import RawRequest, RawResponse, read_response
from symbolon._tecken.answers import write_response
from symbolon._tecken.jobs import TeckenRequest
from symbolon._tecken.requests import parse_request
from symbolon.errors import InvalidReportError
from symbolon.text import write_crash
from symbolon_server.rpc.calls.status import InvalidRequestError as RefusedError
from tests.fuzz.answering import answer
from tests.fuzz.samples import MODULE_ID
from tests.fuzz.target import Target


def take(data: bytes) -> None:
    """Symbolicate `data` as a report, like the command line."""
    for are_return_addresses in (False, True):
        try:
            payload = parse_json(data, "report")
            request = parse_request(payload, are_return_addresses=are_return_addresses)
        except InvalidReportError:
            return
        _symbolicate(request)


def _symbolicate(request: TeckenRequest) -> None:
    try:
        answers = list(ask(request))
    except RefusedError as error:
        if "the limit is" not in str(error):
            raise  # everything invalid should have been left out
        return
    json.loads(write_response(request, answers))
    for job, encoded in zip(request.jobs, answers, strict=True):
        symbolication = decode_answer(encoded)
        assert len(symbolication.stacks) == len(job.frames.lengths)
        write_crash(
            [module.module for module in job.modules],
            symbolication,
            rejected=job.frames.cut_rejected(),
            problems=job.problems,
        )


def ask(request: TeckenRequest) -> Iterator[EncodedAnswer]:
    """Yield the answer to each job."""
    for batch in pack(request.jobs, PlainPacker()):
        for result in pair(batch, [_answer(asked) for asked in batch.requests]):
            assert result.encoded is not None
            yield result.encoded


def _answer(request: RawRequest) -> RawResponse:
    return read_response(answer(request.SerializeToString()))


def _seeds() -> list[bytes]:
    one = {
        "memoryMap": [
            [MODULE_ID.debug_file, MODULE_ID.debug_id],
            ["xul.pdb", "44e4ec8c2f41492b9369d6b9a059577c2"],
            ["", ""],
        ],
        "stacks": [[[0, 4624], [0, -1], [1, 11723767], [-1, 5], [2, 2**64 - 1]], []],
    }
    reports = [one, {"version": 4, **one}, {"jobs": [one, one]}, {"jobs": []}, [], "\ud800"]
    return [
        *(json.dumps(report).encode() for report in reports),
        json.dumps(one, indent=1).encode("utf-16"),
        b'{"memoryMap": [["a/b\\\\c", "AB0"], ["..", ""], 7], "stacks": [7, [[9, "x"], [1, 2]]]}',
        b'{"jobs": [{"memoryMap": [["\\ud800", "0"]], "stacks": [[[0, 1e3], [true, null]]]}]}',
    ]


TARGET = Target(take, _seeds, longest=4_096)
