"""Apple's crash reports: the text of macOS and of iOS up to 14, and the JSON of later ones, `.ips`.

    Thread 0 Crashed:: Dispatch queue: com.apple.main-thread
    0   orchard       0x0000000104b3c6d8 0x104b38000 + 18136
    1   libdyld.dylib 0x000000019a2b4764 start + 4

    Binary Images:
           0x104b38000 -        0x104b3bfff com.example.orchard (1.0) <2b8e2ff2-…> /opt/orchard
    0x19a2b3000 - 0x19a2e5fff libdyld.dylib arm64  <c7e3d8c3…> /usr/lib/system/libdyld.dylib

An `.ips` file is one line of JSON with `bug_type`, and a second document:

    {"usedImages": [{"base": 4373250048, "uuid": "2b8e2ff2-…", "path": "/opt/orchard"}],
     "threads": [{"triggered": true, "frames": [{"imageIndex": 0, "imageOffset": 18136}]}],
     "lastExceptionBacktrace": [{"imageIndex": 0, "imageOffset": 18136}]}

Addresses are return addresses, except that of the innermost frame of a thread. In the backtrace of
the last exception all are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from symbolon._forms.crash import Crash, make_mach_o_module
from symbolon._forms.loaded_modules import LoadedModule, LoadedModules
from symbolon._tecken.requests import MAX_OFFSET
from symbolon.errors import InvalidReportError
from symbolon.reports import Module

LACKS_ID = "no UUID in the list of binary images, so it cannot be looked up"

_LAST_EXCEPTION = "Last Exception Backtrace"
_THREAD = re.compile(
    r"(Thread \d{1,6}(?: Crashed)?):|(Last Exception Backtrace):|(Thread \d{1,6} (?:name|crashed))"
)
_NUMBER = re.compile(r"(\d{1,5})\s+(?=\S)")
_ADDRESS = re.compile(r"\s0x([0-9A-Fa-f]{1,16})(?!\S)")
_BARE_ADDRESSES = re.compile(r"\((?:0x[0-9A-Fa-f]{1,16}[ )])+")
_IMAGE = re.compile(r"\s*0x([0-9A-Fa-f]{1,16})\s+-\s+0x([0-9A-Fa-f]{1,16})\s+(?=\S)")
_UUID = re.compile(r"<([0-9A-Fa-f-]{32,36})>")


def is_apple(text: str) -> bool:
    """Return whether it has the heading of the images."""
    return "Binary Images:" in text and any(map(_THREAD.match, text.splitlines()))


def read_apple(text: str) -> Crash:
    """Return the threads of a report."""
    lines = text.splitlines()
    images = LoadedModules(_read_images(lines))
    crash, is_thread, is_exception, first = Crash(), False, False, True
    for line in lines:
        if line.startswith("Binary Images:"):
            break
        if found := _THREAD.match(line):
            is_thread, is_exception, first = found[3] is None, found[2] is not None, True
            if is_thread:
                crash.add_thread(_write_title(found))
        elif is_thread:
            for address in _read_addresses(line):
                place = images.find(address)
                crash.add_frame(*place, is_return_address=is_exception or not first)
                first = False
    return crash


def _write_title(found: re.Match[str]) -> str:
    return _LAST_EXCEPTION if found[2] else found[1].replace(" Crashed", " (crashed)")


def _read_addresses(line: str) -> Iterator[int]:
    """Yield the address of a frame, or those of a line with nothing else."""
    if _NUMBER.match(line):
        if found := _ADDRESS.search(line):
            yield int(found[1], 16)
    elif _BARE_ADDRESSES.fullmatch(line.rstrip()):
        yield from (int(part, 16) for part in line.strip().strip("()").split())


def _read_images(lines: list[str]) -> Iterator[LoadedModule]:
    for line in lines:
        found = _IMAGE.match(line)
        if found is None:
            continue
        rest = line[found.end() :].rstrip()
        uuid = _UUID.search(rest)
        path = rest[uuid.end() :].strip() if uuid else ""
        name = path or rest.split()[0].lstrip("+")
        module = make_mach_o_module(name, uuid[1] if uuid else "")
        yield LoadedModule(int(found[1], 16), int(found[2], 16), module)


def is_ips_header(line: bytes) -> bool:
    """Return whether a line is the first document of an `.ips` file."""
    return line.lstrip().startswith(b"{") and b'"bug_type"' in line


def split_ips(data: bytes) -> bytes:
    """Return the second document of an `.ips` file; empty if it is not one."""
    header, _, body = data.lstrip().partition(b"\n")
    return body if is_ips_header(header) and body.lstrip().startswith(b"{") else b""


def is_ips(payload: object) -> bool:
    """Return whether a document is the second of an `.ips` file."""
    return isinstance(payload, dict) and {"usedImages", "threads"} <= payload.keys()


def read_ips(payload: Any) -> Crash:
    """Return the threads of a report; raise `InvalidReportError`."""
    images = [_make_image(image) for image in _list_of_objects(payload, "usedImages")]
    crash = Crash()
    for number, thread in enumerate(_list_of_objects(payload, "threads")):
        name = thread.get("name") or thread.get("queue") or ""
        crashed = " (crashed)" if thread.get("triggered") is True else ""
        crash.add_thread(f"Thread {number}{name and f' {name}'}{crashed}")
        _add_frames(crash, thread, "frames", images, is_first_precise=True)
    if payload.get("lastExceptionBacktrace"):
        crash.add_thread(_LAST_EXCEPTION)
        _add_frames(crash, payload, "lastExceptionBacktrace", images, is_first_precise=False)
    return crash


def _add_frames(
    crash: Crash,
    thread: dict[str, Any],
    key: str,
    images: list[tuple[Module | None, int]],
    *,
    is_first_precise: bool,
) -> None:
    for number, frame in enumerate(_list_of_objects(thread, key)):
        index, offset = frame.get("imageIndex"), frame.get("imageOffset")
        if not (isinstance(offset, int) and 0 <= offset <= MAX_OFFSET):
            raise InvalidReportError(f"frame {number} of a thread has no valid imageOffset")
        if not (isinstance(index, int) and 0 <= index < len(images)):
            raise InvalidReportError(f"frame {number} of a thread has no valid imageIndex")
        module, base = images[index]
        place = offset if module else min(base + offset, MAX_OFFSET)
        crash.add_frame(module, place, is_return_address=number > 0 or not is_first_precise)


def _make_image(image: dict[str, Any]) -> tuple[Module | None, int]:
    """Return the module and its base; `None` for the entry of addresses outside of any image."""
    texts = (image.get(key) for key in ("path", "name", "uuid"))
    path, name, uuid = (text if isinstance(text, str) else "" for text in texts)
    base = image.get("base")
    module = make_mach_o_module(path or name, uuid) if path or name else None
    return module, base if isinstance(base, int) and base >= 0 else 0


def _list_of_objects(owner: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = owner.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidReportError(f"{key} is not a list of objects")
    return value
