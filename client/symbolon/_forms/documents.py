"""One document: the JSON of Tecken's and Eliot's API, or a form that other programs print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from symbolon._forms.apple import split_ips
from symbolon._forms.inputs import is_text, parse_json
from symbolon._forms.table import FoundCrash, find_json_form, find_text_form
from symbolon._tecken.counting import Counts, count_payload
from symbolon._tecken.jobs import TeckenRequest
from symbolon._tecken.requests import parse_request, read_version
from symbolon.errors import InvalidReportError

_NEWEST = 5


@dataclass(frozen=True, slots=True)
class Document:
    """One document that was read as far as its form is known."""

    content: Any
    """A `FoundCrash`, or else what is to be JSON of Tecken's and Eliot's API."""

    line: str = ""
    """Its name if it is one of several, which errors begin with."""

    def count(self) -> Counts:
        """Return how much it asks for."""
        content = self.content
        if isinstance(content, FoundCrash):
            return content.crash.count()
        return count_payload(content, read_version(content))

    def make_request(
        self,
        *,
        version: int | None = None,
        are_return_addresses: bool = False,
        is_strict: bool = False,
    ) -> TeckenRequest:
        """Return the request; raise `InvalidReportError`.

        The flags are as for `parse_request`; the other forms say themselves which offsets are
        return addresses.
        """
        content = self.content
        with _naming(self.line):
            if isinstance(content, FoundCrash):
                return TeckenRequest(version or _NEWEST, (content.make_job(),))
            return parse_request(
                content,
                version=version,
                are_return_addresses=are_return_addresses,
                is_strict=is_strict,
            )


def load_document(data: bytes, name: str, line: str = "") -> Document:
    """Return the document; raise `InvalidReportError`, which calls it `name`.

    A fault in the content of a `line` names that.
    """
    with _naming(line):
        found = find_text_form(data) if is_text(data) else None
    if found is not None:
        return Document(found, line)
    payload = parse_json(split_ips(data) or data, name)
    with _naming(line):
        return Document(find_json_form(payload) or payload, line)


def read_document(data: bytes, name: str) -> TeckenRequest:
    """Return the request of a document, as both functions above do."""
    return load_document(data, name).make_request()


@contextmanager
def _naming(line: str) -> Iterator[None]:
    """Let errors begin with the name of a line, if it is one of several."""
    try:
        yield
    except InvalidReportError as error:
        raise (error.saying(f"{line}: {error}") if line else error) from None
