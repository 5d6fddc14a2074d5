"""HTTP requests with Python's own client."""

import http.client
import json
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.app.conftest import PATIENCE_SECONDS, Program

V5 = "/symbolicate/v5"
V4 = "/symbolicate/v4"
TEXT = "/symbolicate/text"
EXPLAIN = "/explain"
ORCHARD = ["orchard", "C3D8E3C7B6594DF1DFCA907993B477250"]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def title(self) -> str:
        return str(self.content["title"])


def await_http(program: Program) -> str:
    """Wait until HTTP is served; return its address."""
    program.await_address()
    return program.ready_line.rpartition(" HTTP on ")[2].strip().rstrip(")")


def get(address: str, path: str, **options: Any) -> Answer:
    return ask(address, "GET", path, None, **options)


def post(address: str, path: str, document: object, **options: Any) -> Answer:
    """Send a document as JSON, or bytes unchanged."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return ask(address, "POST", path, body, **options)


def ask(
    address: str,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None,
    *,
    tls: ssl.SSLContext | None = None,
    **headers: str,
) -> Answer:
    connection = (
        http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
        if tls is None
        else http.client.HTTPSConnection(address, timeout=PATIENCE_SECONDS, context=tls)
    )
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()
