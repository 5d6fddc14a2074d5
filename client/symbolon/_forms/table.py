"""The forms that are read, and which one an input has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from symbolon._forms import (
    android,
    apple,
    glibc,
    minidump_stackwalk,
    minidump_stackwalk_lines,
    minidump_stackwalk_text,
    perf,
    sanitizer,
)
from symbolon._forms.crash import Crash
from symbolon._tecken.jobs import Job
from symbolon.errors import InvalidReportError


@dataclass(frozen=True, slots=True)
class Form:
    """One form. A JSON form gets the document, a text form the text."""

    name: str
    is_it: Callable[[Any], bool]
    read: Callable[[Any], Crash]
    lacks_id: str
    """Why a module of such a report may have no id, and how to get one."""

    def find(self, content: Any) -> FoundCrash:
        """Return the crash of a content of this form; raise `InvalidReportError`, naming it."""
        with self.naming():
            return FoundCrash(self, self.read(content))

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Let errors name the form."""
        try:
            yield
        except InvalidReportError as error:
            raise InvalidReportError(f"{self.name}: {error}") from None


@dataclass(frozen=True, slots=True)
class FoundCrash:
    """A crash, and the form in which it was found."""

    form: Form
    crash: Crash

    def make_job(self) -> Job:
        """Return the job; raise `InvalidReportError`, naming the form."""
        with self.form.naming():
            return self.crash.make_job(self.form.lacks_id)


JSON_FORMS = (
    Form(
        "minidump-stackwalk --json",
        minidump_stackwalk.is_minidump_stackwalk,
        minidump_stackwalk.read_minidump_stackwalk,
        minidump_stackwalk.LACKS_ID,
    ),
    Form("Apple crash report (.ips)", apple.is_ips, apple.read_ips, apple.LACKS_ID),
)

TEXT_FORMS = (
    Form("Apple crash report", apple.is_apple, apple.read_apple, apple.LACKS_ID),
    Form(
        "minidump-stackwalk (text)",
        minidump_stackwalk_text.is_minidump_stackwalk_text,
        minidump_stackwalk_text.read_minidump_stackwalk_text,
        minidump_stackwalk_text.LACKS_ID,
    ),
    Form(
        "minidump_stackwalk -m",
        minidump_stackwalk_lines.is_minidump_stackwalk_lines,
        minidump_stackwalk_lines.read_minidump_stackwalk_lines,
        minidump_stackwalk_lines.LACKS_ID,
    ),
    Form("Android tombstone", android.is_android, android.read_android, android.LACKS_ID),
    Form("sanitizer report", sanitizer.is_sanitizer, sanitizer.read_sanitizer, sanitizer.LACKS_ID),
    Form("backtrace_symbols", glibc.is_glibc, glibc.read_glibc, glibc.LACKS_ID),
    Form("perf script", perf.is_perf, perf.read_perf, perf.LACKS_ID),
)
"""A text is read as the first one that it has. A tombstone may quote other stacks, and the memory
that Breakpad prints may look like anything."""


def find_json_form(payload: object) -> FoundCrash | None:
    """Return the crash of a JSON document, `None` if it has none of the forms.

    Raise `InvalidReportError` if it has one, but not its content.
    """
    return _find(JSON_FORMS, payload)


def find_text_form(data: bytes) -> FoundCrash | None:
    """Return the crash of a text, as `find_json_form` does; what is not UTF-8 is replaced."""
    return _find(TEXT_FORMS, data.decode("utf-8", errors="replace"))


def _find(forms: tuple[Form, ...], content: Any) -> FoundCrash | None:
    form = next((form for form in forms if form.is_it(content)), None)
    return None if form is None else form.find(content)
