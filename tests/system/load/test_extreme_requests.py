"""Requests at their extremes and beyond: refused with the field named, or answered."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from symbolon._calling.rpc_errors import translate
from symbolon.errors import InvalidRequestError
from symbolon.v1 import module_pb2, stack_pb2
from symbolon.v1 import symbolication_service_pb2 as pb
from tests.app.conftest import PATIENCE_SECONDS, Program
from tests.system.conftest import Site

METHOD = "/symbolon.v1.SymbolicationService/Symbolicate"
DEBUG_ID = "44E4EC8C2F41492B9369D6B9A059577C2"
MEBIBYTE = 1 << 20
MOST_REQUEST_BYTES = 16 * MEBIBYTE

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [a-z]+ [ -~]+")
URL_PATH = re.compile(r"/[A-Za-z0-9%._~-]+/[0-9A-F]{32,40}/[A-Za-z0-9%._~-]+\.sym")
KEY = re.compile(
    r"(\{ingest:\d+\}:)?[a-z_:-]+[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]*(/[0-9A-F]{33,40})?"
)
"""Names that were found valid may be part of a key, as documented."""

REFUSED_FILES = {
    "parent": "../etc/passwd",
    "parent alone": "..",
    "backslash": "..\\win.ini",
    "NUL": "a\0b",
    "carriage return and newline": "a\r\nSET key value\r\n",
    "line separator": "a\u2028b",
    "escape": "a\x1b[31mb",
    "300 bytes": "x" * 300,
    "256 bytes of two each": "é" * 128,
}
ANSWERED_FILES = {
    "quoted dots": "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "quoted newline": "a%0d%0ab",
    "right to left": "a\u202egpj.exe",
    "combining": "e\u0301\u0323" * 10,
    "query": "a?token=x&y#z",
    "spaces": " a b ",
    "format": "{0} %s $HOME",
    "glob": "*[?]",
    "255 bytes": "x" * 255,
    "254 bytes of two each": "é" * 127,
}
REFUSED_IDS = {
    "sign": "+" + "A" * 32,
    "minus": "-" + "A" * 33,
    "underscore": "A_" * 17,
    "prefix": "0x" + "A" * 33,
    "space before": " " + "A" * 33,
    "space after": "A" * 33 + " ",
    "newline after": "A" * 33 + "\n",
    "other digits": "٣" * 33,
    "open brace": "{44E4EC8C-2F41-492B-9369-D6B9A059577C",
    "dashes elsewhere": "44E4EC8C2-F41-492B-9369-D6B9A059577C",
}


class Asked(NamedTuple):
    """A running server and its client."""

    server: Program
    channel: grpc.Channel

    def send(self, data: bytes, compression: grpc.Compression | None = None) -> bytes:
        """Send bytes as a request; return the response's."""
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(METHOD)
        answer: bytes = method(data, timeout=PATIENCE_SECONDS, compression=compression)
        return answer

    def ask(self, request: pb.SymbolicateRequest) -> pb.SymbolicateResponse:
        return pb.SymbolicateResponse.FromString(self.send(request.SerializeToString()))

    def refused_fields(self, request: pb.SymbolicateRequest) -> list[str]:
        """Return the fields that a refusal names."""
        with pytest.raises(grpc.RpcError) as caught:
            self.ask(request)
        error = translate(caught.value, "here")
        assert isinstance(error, InvalidRequestError), error
        return [violation.field for violation in error.violations]

    def refusal(self, data: bytes, compression: grpc.Compression | None = None) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            self.send(data, compression)
        code: grpc.StatusCode = caught.value.code()
        return code


@pytest.fixture(scope="module")
def asked(shared_site: Site) -> Iterator[Asked]:
    server = shared_site.serve(log_calls="true", log_level="debug")
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.await_address(), options) as channel:
        yield Asked(server, channel)


def module(debug_file: str = "xul.pdb", debug_id: str = DEBUG_ID) -> module_pb2.Module:
    return module_pb2.Module(debug_file=debug_file, debug_id=debug_id)


def frames(count: int) -> stack_pb2.Stack:
    return stack_pb2.Stack(frames=[stack_pb2.Frame(module_offset=2**64 - 1)] * count)


def request(modules: int = 1, stacks: int = 1, frames_of_each: int = 1) -> pb.SymbolicateRequest:
    return pb.SymbolicateRequest(
        modules=[module("", "")] * modules, stacks=[frames(frames_of_each)] * stacks
    )


@pytest.mark.promise(
    "Extreme requests are answered or refused by field, and not repeated raw", group="limits"
)
@pytest.mark.parametrize(
    ("beyond", "field"),
    [
        ({"modules": 5_001}, "modules"),
        ({"frames_of_each": 200_001}, "stacks.frames"),
        ({"stacks": 200_001, "frames_of_each": 0}, "stacks"),
        ({"stacks": 2, "frames_of_each": 100_001}, "stacks.frames"),
    ],
    ids=["modules", "frames", "stacks", "frames of two stacks"],
)
def test_more_than_a_limit_is_refused(asked: Asked, beyond: dict[str, int], field: str) -> None:
    assert asked.refused_fields(request(**beyond)) == [field]


@pytest.mark.parametrize(
    "limits",
    [{"modules": 5_000}, {"frames_of_each": 200_000}, {"stacks": 200_000}],
    ids=["modules", "frames", "stacks"],
)
def test_as_much_as_the_limits_allow_is_answered(asked: Asked, limits: dict[str, int]) -> None:
    most = request(**limits)
    answer = asked.ask(most)
    assert len(answer.modules) == len(most.modules)
    assert [len(stack.frames) for stack in answer.stacks] == [len(s.frames) for s in most.stacks]


def test_a_message_over_the_limit_is_refused(asked: Asked) -> None:
    unknown_field = b"\xfa\x7f"  # number 2047, of bytes
    assert asked.refusal(_field(unknown_field, MOST_REQUEST_BYTES)) is (
        grpc.StatusCode.RESOURCE_EXHAUSTED
    )
    assert asked.send(_field(unknown_field, MOST_REQUEST_BYTES - 100)) == b""


@pytest.mark.promise("Extreme requests are answered or refused by field, and not repeated raw")
def test_a_compressed_message_may_be_no_larger_than_one_that_is_not(asked: Asked) -> None:
    data = _field(b"\xfa\x7f", MOST_REQUEST_BYTES - 100)
    assert asked.send(data, grpc.Compression.Gzip) == b""
    before = peak_bytes(asked.server)
    bomb = _field(b"\xfa\x7f", 8 * MOST_REQUEST_BYTES)
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        assert asked.refusal(bomb, compression) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert peak_bytes(asked.server) - before < 3 * MOST_REQUEST_BYTES


def _field(tag: bytes, length: int) -> bytes:
    """Return a message of one field with so many zeros."""
    number, encoded = length, bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return tag + bytes([*encoded, number]) + bytes(length)


def peak_bytes(server: Program) -> int:
    """Return the most memory that the server has had resident."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    (kibibytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kibibytes) * 1024


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05a", b"\x12\x02\x0a\x05", b"\x00" * 100])
def test_bytes_that_are_no_request_are_refused(asked: Asked, data: bytes) -> None:
    assert asked.refusal(data) is grpc.StatusCode.INVALID_ARGUMENT


def test_a_name_that_is_not_utf_8_is_refused(asked: Asked) -> None:
    assert asked.refusal(b"\x0a\x04\x0a\x02\xff\xfe") is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.promise("Extreme requests are answered or refused by field, and not repeated raw")
@pytest.mark.parametrize("debug_file", REFUSED_FILES.values(), ids=list(REFUSED_FILES))
def test_a_debug_file_that_could_lead_astray_is_refused(asked: Asked, debug_file: str) -> None:
    asked_for = pb.SymbolicateRequest(modules=[module(), module(debug_file)])
    assert asked.refused_fields(asked_for) == ["modules[1].debug_file"]


@pytest.mark.parametrize("debug_id", REFUSED_IDS.values(), ids=list(REFUSED_IDS))
def test_a_debug_id_that_is_not_hex_is_refused(asked: Asked, debug_id: str) -> None:
    asked_for = pb.SymbolicateRequest(modules=[module(debug_id=debug_id)])
    assert asked.refused_fields(asked_for) == ["modules[0].debug_id"]


@pytest.mark.promise("Extreme requests are answered or refused by field, and not repeated raw")
@pytest.mark.parametrize("digits", range(1, 42))
def test_hex_digits_of_any_number_are_answered(asked: Asked, digits: int) -> None:
    asked_for = module(debug_id="a" * digits)
    at_once = Duration()
    answer = asked.ask(
        pb.SymbolicateRequest(modules=[asked_for], stacks=[first_frames(1)], max_wait=at_once)
    )
    is_id = 32 <= digits <= 40
    expected = module_pb2.MODULE_OUTCOME_PENDING if is_id else module_pb2.MODULE_OUTCOME_MISSING
    assert answer.modules[0].outcome == expected


def first_frames(modules: int) -> stack_pb2.Stack:
    """Return a frame in each of the modules."""
    return stack_pb2.Stack(
        frames=[stack_pb2.Frame(module_index=index, module_offset=1) for index in range(modules)]
    )


@pytest.mark.promise("Extreme requests are answered or refused by field, and not repeated raw")
def test_what_callers_say_is_echoed_raw_into_no_log_key_or_url(
    asked: Asked, shared_site: Site
) -> None:
    worker = shared_site.work(log_level="debug")
    modules = [module(debug_file) for debug_file in ANSWERED_FILES.values()]
    answer = asked.ask(pb.SymbolicateRequest(modules=modules, stacks=[first_frames(len(modules))]))
    assert {result.outcome for result in answer.modules} == {module_pb2.MODULE_OUTCOME_MISSING}
    for debug_file in REFUSED_FILES.values():
        asked.refused_fields(pb.SymbolicateRequest(modules=[module(debug_file)]))

    for log in (asked.server.log, worker.log):
        assert log
        assert all(LOG_LINE.fullmatch(line) for line in log.splitlines())
    assert r"a\u202egpj.exe" in worker.log
    paths = {get.path for get in shared_site.supplier.gets}
    assert len(paths) >= len(modules)
    assert all(URL_PATH.fullmatch(path) for path in paths)
    names = {*shared_site.cache.keys("*"), *shared_site.store.keys("*")}
    keys = [name.decode() for name in names if isinstance(name, bytes)]
    assert any("%2e%2e" in key for key in keys)
    assert [key for key in keys if not KEY.fullmatch(key)] == []
