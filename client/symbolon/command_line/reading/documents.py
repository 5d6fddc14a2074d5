"""One document: the JSON of Tecken's and Eliot's API, or a form that other programs print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from symbolon._forms.apple import split_ips
from symbolon._forms.table import read_json_form, read_text_form
from symbolon._tecken.jobs import TeckenRequest
from symbolon._tecken.requests import parse_request
from symbolon.command_line.reading.inputs import is_text, parse_json
from symbolon.errors import InvalidReportError

_NEWEST = 5


def read_document(
    data: bytes,
    name: str,
    line: str = "",
    *,
    version: int | None = None,
    are_return_addresses: bool = False,
    is_strict: bool = False,
) -> TeckenRequest:
    """Return the request; raise `InvalidReportError`, which calls it `name`.

    A fault in the content of a `line` names that. The flags are as for `parse_request`; the other
    forms say themselves which offsets are return addresses.
    """
    with _naming(line):
        job = read_text_form(data) if is_text(data) else None
    if job is None:
        payload = parse_json(split_ips(data) or data, name)
        with _naming(line):
            job = read_json_form(payload)
            if job is None:
                return parse_request(
                    payload,
                    version=version,
                    are_return_addresses=are_return_addresses,
                    is_strict=is_strict,
                )
    return TeckenRequest(version or _NEWEST, (job,))


@contextmanager
def _naming(line: str) -> Iterator[None]:
    """Let errors begin with the name of a line, if it is one of several."""
    try:
        yield
    except InvalidReportError as error:
        raise (error.saying(f"{line}: {error}") if line else error) from None
