"""Reads a request: its token, its body within limits of size and time, the report in it."""

import asyncio
import json
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from starlette.requests import ClientDisconnect, Request

from symbolon import DeadlineError, InvalidReportError
from symbolon._tecken.counting import Counts, count_payload
from symbolon._tecken.jobs import TeckenRequest
from symbolon._tecken.requests import parse_request
from symbolon_server.gateway.refusals import Refused

_SCHEME = "bearer "
_CHALLENGE = {"WWW-Authenticate": "Bearer"}

_BODY_SECONDS = 30.0
"""For a whole body to arrive."""

_PARTS = b"[", b"{", b","
_PARTS_A_FRAME = 5
"""Three of its own, and two of a stack if each stack has one frame."""

_LINES_A_FRAME = 2
"""Some forms have eight, with registers: a body of so many frames may exceed the limit."""

_LINES_A_MODULE = 10

_PARTS_A_MODULE = 50
"""Three of its own, ten of a job with no other module; the rest in its debug file's name."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time by the monotonic clock; every step of a request checks it."""

    at: float
    seconds: float
    """How far away it was when it was set."""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the deadline in so many seconds."""
        return cls(time.monotonic() + seconds, seconds)

    def left(self) -> float:
        """Return the seconds left; raise `DeadlineError` if there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> DeadlineError:
        """Return the error for a request that is not answered in time."""
        return DeadlineError(f"the answer took longer than {self.seconds:g} s")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How much one body may ask for, all its jobs together."""

    max_modules: int
    """Also the most jobs, because empty jobs cost time, too."""

    max_frames: int
    """Also the most stacks."""

    @property
    def max_parts(self) -> int:
        """The most brackets, braces and commas that such a body has."""
        return _PARTS_A_MODULE * self.max_modules + _PARTS_A_FRAME * self.max_frames

    @property
    def max_lines(self) -> int:
        """The most lines of a body in another form."""
        return _LINES_A_MODULE * self.max_modules + _LINES_A_FRAME * self.max_frames


def read_token(request: Request, is_known: Callable[[str], bool] | None) -> str | None:
    """Return the token for the call to gRPC; raise `Refused`.

    Without `is_known` no token is needed. An unknown token is refused here, before the body is
    read; the gRPC server checks permissions.
    """
    if is_known is None:
        return None
    given = request.headers.getlist("authorization")
    if len(given) != 1 or not given[0].lower().startswith(_SCHEME):
        raise Refused(401, "a token is required: Authorization: Bearer TOKEN", _CHALLENGE)
    token = given[0][len(_SCHEME) :].strip()
    if not is_known(token):
        raise Refused(401, "the token is unknown", _CHALLENGE)
    return token


async def read_body(
    request: Request,
    max_bytes: int,
    seconds: float = _BODY_SECONDS,
    *,
    encodings: Collection[str] = (),
) -> bytes:
    """Return the body as it came; raise `Refused` if it is too large, too slow or compressed.

    It may have one of the `encodings`.
    """
    if request.headers.get("content-encoding", "identity") not in {"identity", *encodings}:
        raise Refused(415, "the body must not be compressed")
    too_large = Refused(413, f"the body is larger than {max_bytes} bytes")
    if int(request.headers.get("content-length", "0")) > max_bytes:  # uvicorn allows digits only
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                body += piece
                if len(body) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise Refused(408, f"the body took longer than {seconds:g} s to arrive") from None
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    return bytes(body)


def read_request(
    body: bytes, version: int, limits: BodyLimits, deadline: Deadline, *, is_strict: bool = False
) -> TeckenRequest:
    """Return the request in a body; raise `InvalidReportError` or `DeadlineError`.

    With `is_strict`, one invalid module or frame fails the whole body, as in Eliot.
    """
    deadline.left()
    refuse_many_parts(body, limits)
    payload = load_json(body)
    deadline.left()
    refuse_excess(count_payload(payload, version), limits)
    return parse_request(payload, version=version, is_strict=is_strict)


def refuse_many_parts(body: bytes, limits: BodyLimits) -> None:
    """Raise `InvalidReportError` if the JSON has more parts than any body within the limits.

    This runs before parsing, which takes up to a hundred times the time and memory. The limit
    leaves room for such characters within names.
    """
    parts = sum(map(body.count, _PARTS))
    limit = limits.max_parts
    if parts > limit:
        raise InvalidReportError(f"Payload has {parts} parts, more than the {limit} of any report")


_decode = msgspec.json.Decoder().decode
_list_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list_items = msgspec.json.Decoder(list[msgspec.Raw]).decode

_LARGE_BYTES = 2**18


def load_json(body: bytes) -> Any:
    """Return the content of a body; raise `InvalidReportError`.

    Whatever msgspec reads, Python's own reads as the same. That also reads what is no JSON: numbers
    such as NaN, lone surrogates, UTF-16.
    """
    with suppress(ValueError, RecursionError):
        return _decode_in_steps(body) if len(body) > _LARGE_BYTES else _decode(body)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidReportError("Payload is not valid JSON") from None


def _decode_in_steps(data: bytes | msgspec.Raw) -> dict[str, Any]:
    """Return the object, decoded stack by stack: no other thread runs during a step."""
    return {name: _decode_member(name, raw) for name, raw in _list_members(data).items()}


def _decode_member(name: str, raw: msgspec.Raw) -> Any:
    if name == "jobs":
        return list(map(_decode_in_steps, _list_items(raw)))
    return [_decode(stack) for stack in _list_items(raw)] if name == "stacks" else _decode(raw)


def refuse_excess(counts: Counts, limits: BodyLimits) -> None:
    """Raise `InvalidReportError` if a body asks for more than the limits."""
    entries = (
        ("jobs", counts.jobs, limits.max_modules),
        ("memoryMap", counts.modules, limits.max_modules),
        ("stacks", counts.stacks, limits.max_frames),
        ("frames", counts.frames, limits.max_frames),
    )
    for name, count, limit in entries:
        if count > limit:
            raise InvalidReportError(f"{name}: {count} in all, the limit is {limit}")
