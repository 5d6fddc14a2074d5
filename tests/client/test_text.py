"""A crash as text."""

import sys

import pytest

from symbolon import FrameOutcome, InlineFrame, Module, ModuleOutcome, ModuleResult, Symbolication
from symbolon.text import COLORFUL, TextStyle, choose_colors, shorten_path, write_crash
from tests.client.answers import make_answer, make_frame

ORCHARD = Module("orchard", "AB0")
LIBC = Module("libc.so.6", "CD0")

CRASH = """\
Thread 0
  0  orchard    weight()  [orchard.h:19]
                  inlined into heavier()
                  inlined into grade()  [grading.cpp:9]
  1  libc.so.6  0x2724a  (module missing)
  2  orchard    main  [main.cpp]
  3  <unknown>  0x7  (no module)

Thread 1
  0  orchard  idle()

Modules without symbols
  libc.so.6/CD0  missing: no supplier has it"""


def test_a_crash_reads_from_the_innermost_call_outwards() -> None:
    stack = [
        make_frame(
            "orchard",
            0x1210,
            "grade()",
            file="grading.cpp",
            line=9,
            inlines=(InlineFrame("weight()", "orchard.h", 19), InlineFrame("heavier()", None, 3)),
        ),
        make_frame("libc.so.6", 0x2724A),
        make_frame("orchard", 0x10, "main", file="main.cpp"),
        make_frame("<unknown>", 7, outcome=FrameOutcome.NO_MODULE),
    ]
    answer = Symbolication(
        stacks=(tuple(stack), (make_frame("orchard", 1, "idle()"),)),
        modules=(
            ModuleResult(ModuleOutcome.FOUND, "", None, 0),
            ModuleResult(ModuleOutcome.MISSING, "no supplier has it", None, 0),
        ),
        diagnostics=None,
    )
    assert write_crash([ORCHARD, LIBC], answer) == CRASH


def test_linkage_names_follow_the_names_that_they_differ_from() -> None:
    inlines = (InlineFrame("g", None, None, "g"), InlineFrame("h()", "h.c", 1, "_Z1hv\n"))
    frame = make_frame("orchard", 0x1210, "f()", linkage_name="_Z1fv", inlines=inlines)
    answer = Symbolication(stacks=((frame,),), modules=(), diagnostics=None)
    assert write_crash([], answer).splitlines()[1:4] == [
        "  0  orchard  g",
        "                inlined into h()  (_Z1hv\ufffd)  [h.c:1]",
        "                inlined into f()  (_Z1fv)",
    ]


@pytest.mark.parametrize("debug_file", ["mill.exe", ""])
def test_a_module_without_a_debug_id_is_listed_with_its_code_id(debug_file: str) -> None:
    answer = make_answer([[]], ModuleOutcome.MISSING)
    module = Module(debug_file, "", "mill.exe", "19B66EB34000")
    listed = write_crash([module], answer).splitlines()[-1]
    assert listed == "  mill.exe/, code id 19B66EB34000  missing"


def test_modules_that_are_not_referenced_are_not_listed() -> None:
    answer = make_answer([[]], ModuleOutcome.NOT_REFERENCED)
    assert write_crash([ORCHARD], answer) == "Thread 0\n"


def test_one_long_module_name_indents_its_own_line_only() -> None:
    stack = [make_frame("m" * 200, 1, "f"), make_frame("orchard", 1, "g")]
    text = write_crash([ORCHARD], make_answer([stack], ModuleOutcome.FOUND))
    assert max(map(len, text.splitlines()[2:])) < 40


def test_names_cannot_control_the_terminal() -> None:
    stack = [make_frame("orchard", 1, "\x1b[31mred\n  1  fake()\u202e", file="a\tb")]
    text = write_crash([ORCHARD], make_answer([stack], ModuleOutcome.FOUND))
    assert "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}  1  fake()" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(
    ("file", "path"),
    [
        (
            "hg:hg.mozilla.org/mozilla-central:dom/base/nsINode.cpp:0f1e2d3c",
            "dom/base/nsINode.cpp",
        ),
        ("git:github.com/rust-lang/rust:library/std/src/rt.rs:90c5418", "library/std/src/rt.rs"),
        ("svn:svn.example.org/repo:trunk/a.c:17", "trunk/a.c"),
        ("s3:generated-sources:0123456789abcdef0123456789abcdef/ipc/P.cpp:", "ipc/P.cpp"),
        ("c:\\build\\a.cpp", "c:\\build\\a.cpp"),
        ("/builds/worker/a.cpp", "/builds/worker/a.cpp"),
        ("hg:", "hg:"),
    ],
)
def test_a_path_in_a_repository_is_shortened(file: str, path: str) -> None:
    assert shorten_path(file) == path


def test_repository_and_revision_are_kept_on_request() -> None:
    stack = [make_frame("orchard", 1, "f()", file="hg:hg.example/orchard:a.cpp:0f1e", line=3)]
    answer = make_answer([stack], ModuleOutcome.FOUND)
    assert "[a.cpp:3]" in write_crash([ORCHARD], answer)
    full = write_crash([ORCHARD], answer, TextStyle(full_paths=True))
    assert "[hg:hg.example/orchard:a.cpp:0f1e:3]" in full


def test_colours_change_nothing_else() -> None:
    stack = [
        make_frame("orchard", 1, "f()", inlines=(InlineFrame("g()", "a.h", 1),)),
        make_frame("libc.so.6", 2),
    ]
    answer = make_answer([stack], ModuleOutcome.FOUND, ModuleOutcome.MISSING)
    colorful = write_crash([ORCHARD, LIBC], answer, TextStyle(COLORFUL))
    assert "\x1b[1mg()\x1b[0m  \x1b[36m[a.h:1]\x1b[0m" in colorful
    for code in vars(type(COLORFUL))["__slots__"]:
        colorful = colorful.replace(getattr(COLORFUL, code), "")
    assert colorful == write_crash([ORCHARD, LIBC], answer)


@pytest.mark.parametrize(
    ("wanted", "is_terminal", "no_color", "expected"),
    [
        ("auto", True, "", True),
        ("auto", False, "", False),
        ("auto", True, "1", False),
        ("always", False, "1", True),
        ("never", True, "", False),
    ],
)
def test_colours_are_for_terminals_by_default(
    wanted: str,
    is_terminal: bool,
    no_color: str,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert (choose_colors(wanted) is COLORFUL) is expected
