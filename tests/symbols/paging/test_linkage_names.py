"""Linkage names become fields of their own, and nothing else changes."""

from hypothesis import given
from hypothesis import strategies as st

from symbolon.v1.stack_pb2 import InlineFrame, SymbolicatedFrame
from symbolon_server.symbols.ground.answers import Answer, InlineAnswer
from symbolon_server.symbols.paging import api_frames
from symbolon_server.symbols.paging.linkage_names import divide_answer, divide_names
from symbolon_server.symbols.reading.spelling import add_linkage_name

NAMES = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), min_size=1)
LONG_NAMES = NAMES | st.integers(100, 40_000).map(lambda length: "ñ" * length)
PATHS = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
LINES = st.integers(0, 2**32 - 1)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """An answer with linkage names, of which some are the names that people see."""

    def draw_names() -> tuple[str, str]:
        shown = draw(LONG_NAMES)
        return shown, draw(st.just(shown) | LONG_NAMES)

    inlines = []
    for _ in range(draw(st.integers(0, 3))):
        shown, name = draw_names()
        inlines.append(InlineAnswer(shown, draw(PATHS), draw(LINES), name))
    shown, name = draw_names()
    return Answer(
        shown,
        function_start=0,
        file=draw(PATHS),
        line=draw(LINES),
        inlines=tuple(inlines),
        is_multiple=draw(st.booleans()),
        function_size=draw(st.integers(0, 2**64 - 1)),
        linkage_name=name,
    )


def join(function: str, linkage_name: str) -> bytes:
    """Return the text of a variant's page."""
    return add_linkage_name(function.encode(), linkage_name.encode())


@given(answers())
def test_encoded_answers_are_those_that_a_client_decodes(answer: Answer) -> None:
    fields = api_frames.answer_fields(
        join(answer.function, answer.linkage_name),
        answer.file.encode(),
        answer.line,
        [(join(i.function, i.linkage_name), i.file.encode(), i.line) for i in answer.inlines],
        is_multiple=answer.is_multiple,
        function_size=answer.function_size,
    )
    assert SymbolicatedFrame.FromString(divide_names(fields)) == SymbolicatedFrame(
        function=answer.function,
        linkage_name=answer.linkage_name,
        file=answer.file,
        line=answer.line,
        inlines=[
            InlineFrame(
                function=inline.function,
                linkage_name=inline.linkage_name,
                file=inline.file,
                line=inline.line,
            )
            for inline in answer.inlines
        ],
        is_multiple=answer.is_multiple,
        function_size=answer.function_size,
    )


@given(answers())
def test_answers_that_were_read_are_divided_alike(answer: Answer) -> None:
    joined = Answer(
        join(answer.function, answer.linkage_name).decode(),
        answer.function_start,
        answer.file,
        answer.line,
        tuple(
            InlineAnswer(join(i.function, i.linkage_name).decode(), i.file, i.line)
            for i in answer.inlines
        ),
        answer.is_multiple,
        function_size=answer.function_size,
    )
    assert divide_answer(joined) == answer
