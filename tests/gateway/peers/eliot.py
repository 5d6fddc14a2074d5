"""What Eliot's callers expect (mozilla-services/eliot, 2026), in requests of our own."""

from typing import Any

from tests.gateway.asking import V4, V5
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
from tests.gateway.peers.modules import ABSENT, BARROW, HOIST, JUNK, MILL, MISLABELLED, UNUSED

NO_JSON = refusal("Payload is not valid JSON")
NO_STACKS = refusal("job 0 is invalid: no stacks specified")

WHEEL = "/src/barrow/wheel.c"
PUSH: dict[str, Any] = {"start": 0x4200, "size": 0x30, "file": WHEEL}
LIFT: dict[str, Any] = {"start": 0x900, "size": 0x60, "file": "/src/hoist/main.c", "line": 31}
INLINED = [
    {"function": "rope_knot", "file": "/src/hoist/rope.h", "line": 3},
    {"function": "rope_pull", "file": "/src/hoist/rope.h", "line": 8},
]

SIZE = "`function_size`"
"""The row of docs/migration.md for every found function of known size."""

ODD_NAMES = [
    ["<unknown>", "0" * 33],
    ["ShortNames", "A1B2C3D4E5F60718293A4B5C6D7E8F900"],
    ["AccessProxy2.dll.pdb", "0F1E2D3C4B5A69788796A5B4C3D2E1F01"],
    ["timestamped.dll", "5F1C77A2D9000"],
    ["libcrate++.so.6", "B0A1928374655647382910FEDCBA98760"],
    ["liborchard-2.0.so.0.5200.3", "1234567890ABCDEF1234567890ABCDEF0"],
    ["ORCHARD_17.so", "FEDCBA0987654321FEDCBA09876543210"],
    ["{3b1c9a70-52d4-4e8f-a6c1-90d7e2f4b851}.xpi", "0" * 33],
    ["Fruit Stand 7 Free-Solid-400.otf", "0" * 33],
    ["libpress-24.2.8-1~apt12+r1.so", "7A6B5C4D3E2F10293847566574839201A"],
]
"""Names with all the characters that Eliot takes, and ids of fewer digits than usual."""

ANSWERED = [
    Expectation("no module and no frame", report([], []), results(result({}, []))),
    Expectation(
        "odd names",
        report(ODD_NAMES, [[index, 16] for index in range(len(ODD_NAMES))]),
        results(
            result(
                {key(entry): False for entry in ODD_NAMES},
                [frame(index, name, 16) for index, (name, _) in enumerate(ODD_NAMES)],
            )
        ),
    ),
    Expectation(
        "a module without a name and an id",
        report([["", ""]], [[0, 16]]),
        results(result({"/": None}, [frame(0, "<unknown>", 16)])),
    ),
    Expectation(
        "an empty stack between others",
        report([ABSENT], [], [[0, 1000], [0, 1050]], [[0, 2000]]),
        results(
            result(
                {key(ABSENT): False},
                [],
                [frame(0, ABSENT[0], 1000), frame(1, ABSENT[0], 1050)],
                [frame(0, ABSENT[0], 2000)],
            )
        ),
    ),
    Expectation(
        "a frame in no module, and one without an offset",
        report([BARROW], [[-1, 1000], [0, -1]]),
        results(result({key(BARROW): True}, [frame(0, "<unknown>", 1000), frame(1, "barrow", -1)])),
    ),
    Expectation(
        "a module that is missing, and one that no frame names",
        report([ABSENT, UNUSED], [[0, 1000], [0, 1020]]),
        results(
            result(
                {key(ABSENT): False, key(UNUSED): None},
                [frame(0, ABSENT[0], 1000), frame(1, ABSENT[0], 1020)],
            )
        ),
    ),
    Expectation(
        "a function with file and line",
        report([BARROW], [[0, 0x4200]]),
        results(
            result(
                {key(BARROW): True}, [frame(0, "barrow", 0x4200, "barrow_push", **PUSH, line=12)]
            )
        ),
        unlike=SIZE,
    ),
    Expectation(
        "the same in a list of jobs",
        {"jobs": [report([BARROW], [[0, 0x4215]])]},
        results(
            result(
                {key(BARROW): True}, [frame(0, "barrow", 0x4215, "barrow_push", **PUSH, line=13)]
            )
        ),
        unlike=SIZE,
    ),
    Expectation(
        "inline frames, innermost first",
        report([HOIST], [[0, 0x925]]),
        results(
            result(
                {key(HOIST): True},
                [frame(0, "libhoist.so", 0x925, "hoist_lift", **LIFT, inlines=INLINED)],
            )
        ),
        unlike=SIZE,
    ),
    Expectation(
        "a function without lines, called by the name of the executable",
        report([MILL], [[0, 0x1208]]),
        results(
            result(
                {key(MILL): True},
                [frame(0, "mill.exe", 0x1208, "mill_grind", start=0x1200, size=0x80)],
            )
        ),
        unlike=SIZE,
    ),
    Expectation(
        "an offset where no function is",
        report([MILL, BARROW], [[0, 0x10], [1, 0x10]]),
        results(
            result(
                {key(MILL): True, key(BARROW): True},
                [frame(0, "mill.exe", 0x10), frame(1, "barrow", 0x10)],
            )
        ),
    ),
    Expectation(
        "files that are malformed, or another module's",
        report([JUNK, MISLABELLED], [[0, 16], [1, 16]]),
        results(
            result(
                {key(JUNK): False, key(MISLABELLED): False},
                [frame(0, JUNK[0], 16), frame(1, MISLABELLED[0], 16)],
            )
        ),
    ),
    Expectation(
        "a module that only another job's frames name",
        {"jobs": [report([BARROW], [[0, 0x10]]), report([BARROW], [[-1, 0x10]])]},
        results(
            result({key(BARROW): True}, [frame(0, "barrow", 0x10)]),
            result({key(BARROW): None}, [frame(0, "<unknown>", 0x10)]),
        ),
        unlike="a module that only frames of another job name",
    ),
    Expectation(
        "names with other characters",
        report([["(", "ABC"], ["[abc.so", "ABC"]], [[0, 1], [1, 2]]),
        results(
            result(
                {"(/ABC": False, "[abc.so/ABC": False}, [frame(0, "(", 1), frame(1, "[abc.so", 2)]
            )
        ),
        unlike="characters of a debug file",
    ),
    Expectation("an empty list of jobs", {"jobs": []}, results()),
    Expectation(
        "more than ten jobs",
        {"jobs": [report([ABSENT], [[0, 1]])] * 11},
        results(*[result({key(ABSENT): False}, [frame(0, ABSENT[0], 1)])] * 11),
        unlike="jobs in a request",
    ),
    Expectation(
        "version 4",
        {"version": 4, **report([HOIST, ABSENT, UNUSED], [[0, 0x925], [1, 1000], [-1, 7]])},
        {
            "symbolicatedStacks": [
                ["hoist_lift (in libhoist.so)", "0x3e8 (in absent.so)", "0x7 (in <unknown>)"]
            ],
            "knownModules": [True, False, None],
        },
        path=V4,
    ),
]

REFUSED = [
    *(
        Expectation(f"{name}, {path}", body, NO_JSON, 400, path)
        for path in (V4, V5)
        for name, body in (("no body", b""), ("a body of another kind", b"data=wrongtype"))
    ),
    *(
        Expectation(f"{name}, {path}", body, NO_STACKS, 400, path)
        for path in (V4, V5)
        for name, body in (("an empty object", {}), ("no stacks", {"modules": [ABSENT]}))
    ),
    Expectation(
        "no stacks in the second job",
        {"jobs": [report([ABSENT], [[0, 1000]]), {"modules": [ABSENT]}]},
        refusal("job 1 is invalid: no stacks specified"),
        400,
    ),
    Expectation(
        "no memory map", {"stacks": [[]]}, refusal("job 0 is invalid: no memoryMap specified"), 400
    ),
    Expectation("a job that is no object", {"jobs": [7]}, refusal("job 0 is invalid"), 400),
    Expectation(
        "a memory map that is no list",
        {"memoryMap": 123, "stacks": [[]]},
        refusal("job 0 has invalid modules: modules must be a list"),
        400,
    ),
    Expectation(
        "an empty list of stacks",
        {"memoryMap": [], "stacks": []},
        refusal("job 0 has invalid stacks: no stacks specified"),
        400,
    ),
    Expectation(
        "stacks that are no list",
        {"memoryMap": [], "stacks": "abc"},
        refusal("job 0 has invalid stacks: stacks must be a list of lists"),
        400,
    ),
]

MODULES = "job 0 has invalid modules: module index"
STACKS = "job 0 has invalid stacks: stack 0"

REJECTED = [
    Rejection(
        "a string for a module",
        report(["abc"], []),
        f"{MODULES} 0 does not have a debug_filename and debug_id",
    ),
    Rejection(
        "a name without an id",
        report([["abc"]], []),
        f"{MODULES} 0 does not have a debug_filename and debug_id",
    ),
    Rejection(
        "a second name without an id",
        report([["abc", "ABC"], ["abc"]], []),
        f"{MODULES} 1 does not have a debug_filename and debug_id",
    ),
    Rejection(
        "an id with other letters",
        report([["abc.so", "xyz"]], []),
        f"{MODULES} 0 has an invalid debug_id",
    ),
    Rejection(
        "an id with spaces",
        report([["abc.so", "  abc"]], []),
        f"{MODULES} 0 has an invalid debug_id",
    ),
    Rejection("a string for a stack", report([], "abc"), f"{STACKS} is not a list"),
    Rejection(
        "a number for a frame",
        report([ABSENT], [0]),
        f"{STACKS} frame 0 is not a list of two items",
    ),
    Rejection(
        "a string for an index",
        report([ABSENT], [["abc", 0]]),
        f"{STACKS} frame 0 has an invalid module_index",
    ),
    *(
        Rejection(
            f"an index of {index}",
            report([ABSENT], [[index, 0]]),
            f"{STACKS} frame 0 has a module_index that isn't in modules",
        )
        for index in (-2, 100)
    ),
    *(
        Rejection(
            f"an offset of {offset!r}",
            report([ABSENT], [[0, offset]]),
            f"{STACKS} frame 0 has an invalid module_offset",
        )
        for offset in ("abc", -2)
    ),
]
