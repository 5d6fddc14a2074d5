"""Android tombstones, and the same lines in logcat.

    pid: 1071, tid: 1092, name: Thread-2  >>> com.example.orchard <<<
    backtrace:
          #00 pc 0000000000001210  /data/app/lib/arm64/liborchard.so (grade+32) (BuildId: c7e3…)
    01-02 03:04:05.678  1071  1092 F DEBUG   :       #01 pc 00000000000011cb  /system/lib64/libc.so

`pc` is relative to the module, that of a caller already within its call instruction. A library
within an APK is written `base.apk!libfoo.so (offset 0x4000)`.
"""

from __future__ import annotations

import re

from symbolon._forms.crash import Crash, make_elf_module
from symbolon._forms.lines import cut_build_id

LACKS_ID = (
    "no build id, so it cannot be looked up: Android 8 and later print it, if the module was "
    "linked with --build-id"
)

_FRAME = re.compile(r"(?<!\S)#(\d{2,6})\s+pc\s+(?:0x)?([0-9A-Fa-f]{4,16})(?!\S)\s*")
_THREAD = re.compile(r"(?<!\S)pid: \d{1,10}, tid: (\d{1,10}), name: ")
_DETAIL = re.compile(r" \((?:offset |[^/\s])")
"""Begins what follows a path: `(offset 0x4000)`, or `(abort+164)`."""

_NO_FILE = ("<", "[anon", "anonymous")


def is_android(text: str) -> bool:
    """Return whether a line is a frame as Android writes it."""
    return any(_FRAME.search(line) for line in text.splitlines())


def read_android(text: str) -> Crash:
    """Return the backtraces of a tombstone, called by their threads."""
    crash = Crash()
    title, last = "", -1
    for line in text.splitlines():
        if thread := _THREAD.search(line):
            name = line[thread.end() :].partition("  >>>")[0].strip()
            title, last = f"Thread {thread[1]} {name}".rstrip(), -1
        elif found := _FRAME.search(line):
            number = int(found[1])
            if number <= last or last < 0:
                crash.add_thread(title)
            last = number
            rest, build_id = cut_build_id(line[found.end() :])
            path = _read_path(rest)
            module = make_elf_module(path, build_id) if path else None
            crash.add_frame(module, int(found[2], 16))
    return crash


def _read_path(text: str) -> str:
    """Return the file of a frame; empty if it is in memory without one."""
    detail = _DETAIL.search(text)
    path = (text[: detail.start()] if detail else text).strip()
    if not path or path.startswith(_NO_FILE):
        return ""
    return path.rpartition("!")[2]  # the library within an APK
