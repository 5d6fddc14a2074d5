"""Spans and the current one of a thread."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from symbolon_server.telemetry.tracing.contexts import SpanContext
from symbolon_server.telemetry.tracing.spans import (
    MOST_GATHERED,
    EndedSpan,
    Kind,
    Span,
    child,
    current_span,
    gathering,
    set_current,
    spanned,
    within,
)


@pytest.fixture
def ended() -> list[EndedSpan]:
    return []


@pytest.fixture
def root(ended: list[EndedSpan]) -> Iterator[Span]:
    span = Span("root", Kind.SERVER, SpanContext(1, 2, True, "a=b"), 3, ended.append)
    yield span
    set_current(None)


def test_without_a_current_span_nothing_is_made() -> None:
    @spanned("decorated")
    def decorated() -> Span | None:
        return current_span()

    with child("part") as part:
        assert part is None
        assert decorated() is None


def test_parts_are_within_what_is_current(root: Span, ended: list[EndedSpan]) -> None:
    @spanned("innermost")
    def innermost() -> None:
        pass

    with root:
        with child("part", Kind.CLIENT) as part:
            assert part is not None
            part.attributes["keys"] = 2
            innermost()
        with child("next"):
            pass
    assert current_span() is None
    by_name = {span.name: span for span in ended}
    assert list(by_name) == ["innermost", "part", "next", "root"]
    assert by_name["innermost"].parent_id == by_name["part"].span_id
    assert by_name["part"].parent_id == by_name["next"].parent_id == by_name["root"].span_id == 2
    assert by_name["root"].parent_id == 3
    assert {(span.trace_id, span.state) for span in ended} == {(1, "a=b")}
    assert by_name["part"].attributes == {"keys": 2}
    assert by_name["part"].kind == Kind.CLIENT
    assert by_name["root"].started_ns <= by_name["part"].started_ns
    assert by_name["part"].ended_ns <= by_name["root"].ended_ns


def test_what_raises_ends_with_the_kind_of_its_error(root: Span, ended: list[EndedSpan]) -> None:
    with pytest.raises(KeyError), root, child("part"):
        raise KeyError
    assert [span.error for span in ended] == ["KeyError", "KeyError"]
    assert current_span() is None


def test_an_error_that_was_noted_is_kept(root: Span, ended: list[EndedSpan]) -> None:
    root.error = "unanswered"
    with pytest.raises(KeyError), root:
        raise KeyError
    assert ended[0].error == "unanswered"


def test_each_thread_has_a_current_span_of_its_own(root: Span, ended: list[EndedSpan]) -> None:
    seen: list[Span | None] = []

    def work() -> None:
        seen.append(current_span())
        with within(root), child("there"):
            pass
        seen.append(current_span())

    with root:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [None, None]
    assert [span.name for span in ended] == ["there", "root"]


def test_a_gathered_span_is_the_same_after_json(root: Span, ended: list[EndedSpan]) -> None:
    with gathering(root) as gathered, child("in the fork") as part:
        assert part is not None
        part.attributes |= {"text": "a", "number": 1, "share": 0.5, "flag": True}
    assert [EndedSpan(*fields) for fields in json.loads(json.dumps(gathered))] == gathered
    assert gathered[0].parent_id == root.context.span_id
    assert ended == []


def test_without_a_trace_nothing_is_gathered() -> None:
    with gathering(None) as gathered, child("in the fork"):
        pass
    assert gathered == []


def test_gathered_spans_are_bounded(root: Span) -> None:
    with gathering(root) as gathered:
        for _ in range(MOST_GATHERED + 1):
            with child("part"):
                pass
    assert len(gathered) == MOST_GATHERED


def test_forks_do_not_make_the_same_ids() -> None:
    program = (
        "import os\n"
        "from symbolon_server.telemetry.tracing.spans import new_id\n"
        "new_id()\n"
        "for _ in range(2):\n"
        "    if os.fork() == 0:\n"
        "        print(new_id(), flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    command = [sys.executable, "-c", program]
    first, second = subprocess.run(command, check=True, capture_output=True).stdout.split()
    assert first != second
