"""A crash as people read it."""

from symbolon import FrameOutcome, InlineFrame, Module, ModuleOutcome, ModuleResult, Symbolication
from symbolon.text import write_crash
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


def test_modules_that_nobody_asked_for_are_not_told() -> None:
    answer = make_answer([[]], ModuleOutcome.NOT_REFERENCED)
    assert write_crash([ORCHARD], answer) == "Thread 0\n"


def test_one_long_module_name_does_not_push_every_line_to_the_right() -> None:
    stack = [make_frame("m" * 200, 1, "f"), make_frame("orchard", 1, "g")]
    text = write_crash([ORCHARD], make_answer([stack], ModuleOutcome.FOUND))
    assert max(map(len, text.splitlines()[2:])) < 40


def test_names_cannot_write_to_the_terminal() -> None:
    stack = [make_frame("orchard", 1, "\x1b[31mred\n  1  fake()\u202e", file="a\tb")]
    text = write_crash([ORCHARD], make_answer([stack], ModuleOutcome.FOUND))
    assert "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}  1  fake()" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) == 2
