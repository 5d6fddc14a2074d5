"""What Tecken's callers expect (mozilla-services/tecken, 2021), in requests of our own.

What Eliot's callers expect as well is in `eliot.py`.
"""

from typing import Any

from tests.gateway.asking import V4, V5
from tests.gateway.peers.eliot import MODULES, NO_JSON, NO_STACKS, SIZE, STACKS
from tests.gateway.peers.expectations import (
    Expectation,
    Rejection,
    frame,
    key,
    refusal,
    report,
    result,
    results,
)
from tests.gateway.peers.modules import ABSENT, BARROW, EMPTY, FAILING, MARKED, MILL, UNUSED

TIP: dict[str, Any] = {
    "start": 0x4230,
    "size": 0x18,
    "file": "/src/barrow/wheel.c",
    "line": 21,
}
NAMED = "the name of a module"
NEAREST = "an offset before every function"
ERRORS = "a refusal"
FAILURES = "a symbol server that fails"

ANSWERED = [
    Expectation(
        "two modules in one job",
        {"jobs": [report([MILL, MARKED], [[0, 0x1400], [1, 0x2004]])]},
        results(
            result(
                {key(MILL): True, key(MARKED): True},
                [
                    frame(0, "mill.exe", 0x1400, "mill_sieve", start=0x1400),
                    frame(1, "marked.pdb", 0x2004, "marked_second", start=0x2000),
                ],
            )
        ),
        unlike=NAMED,
    ),
    Expectation(
        "a function with the mark of several names",
        report([MARKED], [[0, 0x1010]]),
        results(
            result(
                {key(MARKED): True},
                [frame(0, "marked.pdb", 0x1010, "marked_first", start=0x1000, size=0x40)],
            )
        ),
        unlike=SIZE,
    ),
    Expectation(
        "modules without a name or an id",
        report(
            [["", ""], ["bare.pdb", ""], ["", "D0E1F2A3B4C5968778695A4B3C2D1E0F1"]],
            [[0, 0xB2E3], [1, 0x1010A], [2, 7]],
        ),
        results(
            result(
                {"/": None, "bare.pdb/": None, "/D0E1F2A3B4C5968778695A4B3C2D1E0F1": None},
                [
                    frame(0, "<unknown>", 0xB2E3),
                    frame(1, "bare.pdb", 0x1010A),
                    frame(2, "<unknown>", 7),
                ],
            )
        ),
        unlike=NAMED,
    ),
    Expectation(
        "modules named in turn, and frames of none",
        report([MARKED, BARROW], [[0, 0x2000], [1, 0x4240], [0, 0x2003]], [[-1, 0], [1, 0x4231]]),
        results(
            result(
                {key(MARKED): True, key(BARROW): True},
                [
                    frame(0, "marked.pdb", 0x2000, "marked_second", start=0x2000),
                    frame(1, "barrow", 0x4240, "barrow_tip", **TIP),
                    frame(2, "marked.pdb", 0x2003, "marked_second", start=0x2000),
                ],
                [frame(0, "<unknown>", 0), frame(1, "barrow", 0x4231, "barrow_tip", **TIP)],
            )
        ),
        unlike="files, lines and inline frames",
    ),
    Expectation(
        "an offset before every function",
        report([MARKED], [[0, 0x20]]),
        results(result({key(MARKED): True}, [frame(0, "marked.pdb", 0x20)])),
        unlike=NEAREST,
    ),
    Expectation(
        "a module that is found and one that is missing",
        report([BARROW, ABSENT], [[0, 0x4300], [1, 65802]]),
        results(
            result(
                {key(BARROW): True, key(ABSENT): False},
                [
                    frame(0, "barrow", 0x4300, "barrow_end", start=0x4300),
                    frame(1, ABSENT[0], 65802),
                ],
            )
        ),
    ),
    Expectation(
        "a module that no frame names",
        report([BARROW, ABSENT], [[0, 0x4300], [0, 0x10]]),
        results(
            result(
                {key(BARROW): True, key(ABSENT): None},
                [frame(0, "barrow", 0x4300, "barrow_end", start=0x4300), frame(1, "barrow", 0x10)],
            )
        ),
    ),
    Expectation(
        "memory maps with a module in common",
        {
            "jobs": [
                report([BARROW, MARKED], [[0, 0x4300], [1, 0x2000]]),
                report([BARROW], [[0, 0x4301]]),
                {"version": 4, **report([ABSENT], [[0, 100]])},
            ]
        },
        results(
            result(
                {key(BARROW): True, key(MARKED): True},
                [
                    frame(0, "barrow", 0x4300, "barrow_end", start=0x4300),
                    frame(1, "marked.pdb", 0x2000, "marked_second", start=0x2000),
                ],
            ),
            result({key(BARROW): True}, [frame(0, "barrow", 0x4301, "barrow_end", start=0x4300)]),
            result({key(ABSENT): False}, [frame(0, ABSENT[0], 100)]),
        ),
    ),
    Expectation(
        "version 4",
        {"version": 4, **report([BARROW, MARKED], [[0, 0x4200], [1, 0x2004], [1, 0x2000]])},
        {
            "symbolicatedStacks": [
                [
                    "barrow_push (in barrow)",
                    "marked_second (in marked.pdb)",
                    "marked_second (in marked.pdb)",
                ]
            ],
            "knownModules": [True, True],
        },
        path=V4,
    ),
    Expectation(
        "a frame of no module, version 4",
        {"version": 4, **report([BARROW, MARKED], [[-1, 11_723_767], [1, 0x2004]])},
        {
            "symbolicatedStacks": [["0xb2e3f7 (in <unknown>)", "marked_second (in marked.pdb)"]],
            "knownModules": [None, True],
        },
        path=V4,
    ),
    Expectation(
        "an empty symbol file, version 4",
        {"version": 4, **report([BARROW, EMPTY], [[0, 0x4200], [1, 65802]])},
        {
            "symbolicatedStacks": [["barrow_push (in barrow)", "0x1010a (in empty.pdb)"]],
            "knownModules": [True, False],
        },
        path=V4,
    ),
    *(
        Expectation(
            f"a symbol server that fails, {path}",
            {"version": 4, **report([BARROW, FAILING], [[0, 0x4300], [1, 16]])},
            answer,
            path=path,
            unlike=FAILURES,
        )
        for path, answer in (
            (
                V4,
                {
                    "symbolicatedStacks": [["barrow_end (in barrow)", "0x10 (in failing.so)"]],
                    "knownModules": [True, False],
                },
            ),
            (
                V5,
                results(
                    result(
                        {key(BARROW): True, key(FAILING): False},
                        [
                            frame(0, "barrow", 0x4300, "barrow_end", start=0x4300),
                            frame(1, FAILING[0], 16),
                        ],
                    )
                ),
            ),
        )
    ),
    Expectation(
        "another version than 4",
        {"version": 999, **report([ABSENT], [[0, 1]])},
        {"symbolicatedStacks": [["0x1 (in absent.so)"]], "knownModules": [False]},
        path=V4,
        unlike="`version`",
    ),
    Expectation("an empty list of jobs", {"jobs": []}, results(), unlike="an empty list of jobs"),
]

REFUSED = [
    *(
        Expectation(f"{name}, {path}", body, answer, 400, path, unlike=ERRORS)
        for path in (V4, V5)
        for name, body, answer in (
            ("no body", b"", NO_JSON),
            ("broken JSON", b"{sqrt:-1}", NO_JSON),
            ("an empty object", {}, NO_STACKS),
        )
    ),
    Expectation("true", True, refusal("payload is not a JSON object"), 400, V5, unlike=ERRORS),
    Expectation("true, version 4", True, refusal("job 0 is invalid"), 400, V4, unlike=ERRORS),
    Expectation(
        "stacks without a memory map",
        {"jobs": [{"stacks": []}]},
        refusal("job 0 is invalid: no memoryMap specified"),
        400,
        unlike=ERRORS,
    ),
    Expectation(
        "a string for stacks",
        {"jobs": [{"stacks": "string", "memoryMap": []}]},
        refusal("job 0 has invalid stacks: stacks must be a list of lists"),
        400,
        unlike=ERRORS,
    ),
    Expectation(
        "a string for a memory map",
        {"jobs": [{"stacks": [], "memoryMap": "string"}]},
        refusal("job 0 has invalid modules: modules must be a list"),
        400,
        unlike=ERRORS,
    ),
    Expectation(
        "no stacks, in another version than 4",
        {"stacks": [], "memoryMap": [], "version": 999},
        refusal("job 0 has invalid stacks: no stacks specified"),
        400,
        V4,
        unlike=ERRORS,
    ),
]

_FLAT = report([ABSENT, UNUSED], [0, 8_057_492], [1, 391_014], [0, 52_067_355])

REJECTED = [
    *(
        Rejection(name, document, f"{STACKS} frame 0 is not a list of two items")
        for name, document in (
            ("frames for stacks", _FLAT),
            ("frames for stacks, in a list of jobs", {"jobs": [_FLAT]}),
            ("three numbers for a frame", report([ABSENT], [[0, 8_057_492, 10_000]])),
        )
    ),
    *(
        Rejection(
            name,
            report([[debug_file, ABSENT[1]]], [[0, 11_723_767]]),
            f"{MODULES} 0 has an invalid debug_filename",
        )
        for name, debug_file in (("a long name", "0" * 1025), ("a name with NUL", "orchard\0"))
    ),
    Rejection(
        "an offset with a fraction",
        report([BARROW, MARKED], [[-1, 1.5], [1, 0x2004]]),
        f"{STACKS} frame 0 has an invalid module_offset",
    ),
]
