"""Bytes as a request in Symbolicator's API, from the body to the JSON of the answer."""

import json

from symbolon import SymbolonError
from symbolon._batching.batches import pair
from symbolon._batching.packers import PlainPacker, pack
from symbolon._messages.raw_messages import read_response
from symbolon_server.gateway.reading import BodyLimits, Deadline, load_json, refuse_many_parts
from symbolon_server.gateway.symbolicator.answering import PlacedReport
from symbolon_server.gateway.symbolicator.answers import Answered, write_completed
from symbolon_server.gateway.symbolicator.facts import NOTHING
from symbolon_server.gateway.symbolicator.places import Place, find_places
from symbolon_server.gateway.symbolicator.processors import find_processor
from symbolon_server.gateway.symbolicator.requests import StackRequest, parse_stacks
from symbolon_server.rpc.calls.status import InvalidRequestError as RefusedError
from tests.fuzz.answering import answer
from tests.fuzz.samples import MODULE_ID
from tests.fuzz.target import Target

_LIMITS = BodyLimits(max_modules=20, max_frames=100)
_ARCHITECTURES = ("unknown", "x86_64", "arm", "mips64")


def take(data: bytes) -> None:
    """Answer `data` like the gateway, whatever processor the modules are for."""
    try:
        refuse_many_parts(data, _LIMITS)
        request = parse_stacks(load_json(data), _LIMITS)
    except SymbolonError:
        return
    for architecture in _ARCHITECTURES:
        processors = [find_processor(architecture)] * len(request.modules)
        _answer(request, find_places(request, processors))


def _answer(request: StackRequest, places: list[list[Place]]) -> None:
    try:
        (batch,) = pack([PlacedReport(request, places)], PlainPacker())
        asked = [read_response(answer(one.SerializeToString())) for one in batch.requests]
    except RefusedError as error:
        if "the limit is" not in str(error):
            raise  # everything invalid should have been left out
        return
    ((result,)) = pair(batch, asked)
    assert result.encoded is not None
    facts = [NOTHING] * len(request.modules)
    written = json.loads(
        write_completed(Answered(request, places, result.encoded, facts), Deadline.after(60.0))
    )
    assert len(written["modules"]) == len(request.modules)
    for stack, told in zip(request.stacks, written["stacktraces"], strict=True):
        indexes = [frame["original_index"] for frame in told["frames"]]
        assert set(indexes) <= set(range(len(stack.frames)))
        assert indexes == sorted(indexes, reverse=request.is_caller_first)


def _seeds() -> list[bytes]:
    module = {
        "type": "elf",
        "debug_id": MODULE_ID.debug_id,
        "debug_file": f"/usr/bin/{MODULE_ID.debug_file}",
        "code_file": "/usr/bin/orchard",
        "image_addr": "0x400000",
        "image_size": 20480,
    }
    lost = {"type": "pe", "debug_id": "ff9f9f78-41db-88f0-cded-a9e1e9bff3b5-1", "code_id": "5Ab"}
    frames = [
        {"instruction_addr": "0x401210", "trust": "context", "function": "_ZN1a1bEv"},
        {"instruction_addr": 4555, "addr_mode": "rel:0", "adjust_instruction_addr": True},
        {"instruction_addr": "-1", "package": "\ud800", "trust": "scan"},
        {"instruction_addr": -1, "addr_mode": "rel:1", "lineno": 7, "pre_context": ["a"]},
        {"instruction_addr": "0x4010b0"},
        {"instruction_addr": 2**64 - 1},
    ]
    stack = {"frames": frames, "registers": {"rip": "0x1"}, "thread_name": "m"}
    whole = {"signal": 11, "stacktraces": [stack, {"frames": []}], "modules": [module, lost]}
    valid = {**stack, "frames": [*frames[:2], *frames[3:]]}
    bodies = [
        {**whole, "stacktraces": [valid]},
        {**whole, "stacktraces": [valid], "options": {"frame_order": "caller_first"}},
        {**whole, "stacktraces": [valid], "modules": [{**module, "image_addr": 0}] * 2},
        whole,
        {},
        [],
    ]
    return [json.dumps(body).encode() for body in bodies]


TARGET = Target(take, _seeds, longest=4_096)
