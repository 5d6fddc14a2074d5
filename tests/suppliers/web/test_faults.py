"""Each way in which a symbol server can fail, its outcome, and the next supplier."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from symbolon_server.suppliers.chain import AttemptOutcome, SupplierChain
from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
    SupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import GIB, MIB
from symbolon_server.suppliers.contents.supplier import Supplier
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from symbolon_server.symbols.reading.reader import SymbolFileReader
from symbolon_server.symbols.reading.symbol_table import SymbolTable
from tests.fixtures.certificates import Authority, authority
from tests.fixtures.symbol_server import ALL_PATHS, HTML_PAGE, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, opened
from tests.suppliers.conftest import FakeTime, MakeSupplier
from tests.suppliers.contents.aws_framing import frame

__all__ = ["authority"]

MISSING, UNAVAILABLE = AttemptOutcome.MISSING, AttemptOutcome.UNAVAILABLE
MALFORMED = AttemptOutcome.MALFORMED
OTHERS_TEXT = TEXT.replace(b"44E4", b"55E5")
IN_PLACE = " instead of the symbol file"
STALLS = {Ending.STALLED_AT_ONCE, Ending.STALLED_MIDWAY}
TOO_LATE = {"Retry-After": "120"}


class Fault(NamedTuple):
    """One way to fail, its outcome, and the detail for humans."""

    answer: Answer
    outcome: AttemptOutcome
    detail: str


def to(location: str) -> Answer:
    return Answer(status=302, headers={"Location": location})


def saying(length: int) -> Answer:
    return Answer(TEXT, headers={"Content-Length": str(length)}, ending=Ending.CLOSED)


FAULTS = {
    "404": Fault(Answer(b"secret", status=404), MISSING, "has no such file"),
    "401": Fault(Answer(b"secret", status=401), UNAVAILABLE, "refuses access (HTTP 401)"),
    "403": Fault(
        Answer(b"secret", status=403),
        UNAVAILABLE,
        "refuses access (HTTP 403); if it answers 403 for what it does not have, add #absent=403",
    ),
    "429": Fault(Answer(status=429, headers=TOO_LATE), UNAVAILABLE, "answers HTTP 429"),
    "500": Fault(Answer(b"secret", status=500), UNAVAILABLE, "answers HTTP 500"),
    "stall": Fault(Answer(ending=Ending.STALLED_AT_ONCE), UNAVAILABLE, "timed out"),
    "stall midway": Fault(Answer(TEXT, ending=Ending.STALLED_MIDWAY), UNAVAILABLE, "timed out"),
    "a byte at a time": Fault(
        Answer(TEXT, ending=Ending.DRIPPING), UNAVAILABLE, "sends less than 1 KiB a second"
    ),
    "shorter than it says": Fault(
        Answer(TEXT, ending=Ending.CUT), UNAVAILABLE, "the connection was lost midway"
    ),
    "longer than it says": Fault(
        Answer(gzip.compress(TEXT), ending=Ending.OVERLONG),
        MALFORMED,
        "its gzip data is truncated",
    ),
    "cut gzip": Fault(Answer(gzip.compress(TEXT)[:-9]), MALFORMED, "its gzip data is truncated"),
    "damaged gzip": Fault(Answer(b"\x1f\x8bsecret"), MALFORMED, "its gzip data is damaged"),
    "HTML": Fault(HTML_PAGE, UNAVAILABLE, "has an HTML or XML document" + IN_PLACE),
    "long HTML": Fault(
        Answer((HTML_PAGE.body + b"\n") * 40_000),
        UNAVAILABLE,
        "has an HTML or XML document" + IN_PLACE,
    ),
    "HTML in gzip": Fault(
        Answer(gzip.compress(HTML_PAGE.body), headers={"Content-Encoding": "gzip"}),
        UNAVAILABLE,
        "has an HTML or XML document" + IN_PLACE,
    ),
    "an XML error": Fault(
        Answer(b'\xef\xbb\xbf<?xml version="1.0"?>\n<Error><Code>SlowDown</Code></Error>'),
        UNAVAILABLE,
        "has an HTML or XML document" + IN_PLACE,
    ),
    "a JSON error": Fault(Answer(b'{"error": "secret"}'), UNAVAILABLE, "has JSON" + IN_PLACE),
    "a word": Fault(Answer(b"secret"), UNAVAILABLE, "has something else" + IN_PLACE),
    "an unknown encoding": Fault(
        Answer(b"\x0b\x02\x80secret\x03", headers={"Content-Encoding": "br"}),
        UNAVAILABLE,
        "has something else" + IN_PLACE,
    ),
    "nothing": Fault(Answer(), UNAVAILABLE, "has nothing" + IN_PLACE),
    "blanks": Fault(Answer(b"\r\n \0\0"), UNAVAILABLE, "has nothing" + IN_PLACE),
    "nothing in gzip": Fault(Answer(gzip.compress(b"")), UNAVAILABLE, "has nothing" + IN_PLACE),
    "nothing in chunks": Fault(Answer(frame(b"")), UNAVAILABLE, "has nothing" + IN_PLACE),
    "a MODULE record without debug id": Fault(
        Answer(b"MODULE Linux x86_64\n", headers={"Content-Type": "text/html"}),
        MALFORMED,
        "its MODULE record has no debug id",
    ),
    "endless": Fault(Answer(TEXT * 1000, ending=Ending.ENDLESS), MALFORMED, "is larger than 3 MiB"),
    "gzip bomb": Fault(
        Answer(gzip.compress(TEXT + bytes(64 * MIB), 1)), MALFORMED, "expands to more than 8 MiB"
    ),
    "2 GiB": Fault(saying(2 * GIB), MALFORMED, "is larger than 3 MiB"),
    "redirect loop": Fault(to("/again?secret"), UNAVAILABLE, "redirects more than 5 times"),
    "redirect to a file": Fault(
        to("file:///secret"), UNAVAILABLE, "redirects to a URL that is not http or https"
    ),
    "another module's file": Fault(
        Answer(OTHERS_TEXT), MALFORMED, "its MODULE record has another debug id"
    ),
}


def read_with(module_id: ModuleId, text: Iterator[bytes]) -> SymbolTable:
    return SymbolFileReader(module_id).read(text)


def ask(module_id: ModuleId, *suppliers: Supplier) -> SupplierError:
    """Return the error of a fetch from these suppliers."""
    with pytest.raises(SupplierError) as caught:
        SupplierChain(suppliers).fetch(
            AskedModule(module_id), lambda text: read_with(module_id, text)
        )
    return caught.value


ERRORS = {
    MISSING: MissingSymbolFileError,
    UNAVAILABLE: UnavailableSymbolFileError,
    MALFORMED: BrokenSymbolFileError,
}


@pytest.fixture
def folder(tmp_path: Path, module_id: ModuleId) -> DirectorySupplier:
    """A supplier that has the module."""
    path = tmp_path / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(TEXT)
    return DirectorySupplier(tmp_path)


@pytest.fixture(params=FAULTS.values(), ids=list(FAULTS))
def fault(request: pytest.FixtureRequest, symbol_server: SymbolServer) -> Fault:
    made: Fault = request.param
    symbol_server.answer(ALL_PATHS, made.answer)
    return made


@pytest.fixture
def server(
    fault: Fault, symbol_server: SymbolServer, make_supplier: MakeSupplier, fake_time: FakeTime
) -> Supplier:
    """A supplier with secrets and a failing server."""
    read_seconds = 0.2 if fault.answer.ending in STALLS else 10.0
    fake_time.step = read_seconds / 20
    return make_supplier(
        symbol_server.url.replace("//", "//me:secret@") + "?token=secret",
        max_sent_bytes=3 * MIB,
        max_unpacked_bytes=8 * MIB,
        read_seconds=read_seconds,
        total_seconds=10_000,
    )


@pytest.mark.promise(
    "Each fault of a symbol server has its outcome; only a definite no is missing",
    group="suppliers",
)
def test_each_fault_has_an_outcome_and_a_detail(
    fault: Fault, server: Supplier, module_id: ModuleId
) -> None:
    error = ask(module_id, server)

    assert type(error) is ERRORS[fault.outcome]
    if fault.outcome is MISSING:
        assert str(error) == "no supplier has it"
    else:
        assert str(error) == f"{server.name}: {fault.detail}"


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_after_a_fault_the_next_supplier_is_asked(
    fault: Fault, server: Supplier, folder: DirectorySupplier, module_id: ModuleId
) -> None:
    chain = SupplierChain([server, folder])
    fetched = chain.fetch(AskedModule(module_id), lambda text: read_with(module_id, text))

    assert fetched.supplier == folder.name
    assert [(attempt.outcome, attempt.detail) for attempt in fetched.attempts] == [
        (fault.outcome, fault.detail),
        (AttemptOutcome.FOUND, ""),
    ]


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_a_fault_is_missing_only_if_it_is_a_definite_no(
    fault: Fault, server: Supplier, tmp_path: Path, module_id: ModuleId
) -> None:
    error = ask(module_id, DirectorySupplier(tmp_path), server, DirectorySupplier(tmp_path))
    assert isinstance(error, MissingSymbolFileError) == (fault.outcome is MISSING)


def test_bytes_after_an_overlong_response_are_not_the_next_response(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    server = make_supplier()
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
    overlong = Answer(b"x" * len(smuggled) + smuggled, ending=Ending.OVERLONG)
    symbol_server.answer(ALL_PATHS, overlong, Answer(TEXT))
    with opened(server, AskedModule(module_id)) as stream:
        assert b"".join(stream) == b"x" * len(smuggled)
    with opened(server, AskedModule(module_id)) as stream:
        assert b"".join(stream) == TEXT


@pytest.mark.promise("Each fault of a symbol server has its outcome; only a definite no is missing")
def test_a_certificate_of_an_unknown_ca_is_unavailable(
    authority: Authority, make_supplier: MakeSupplier, tmp_path: Path, module_id: ModuleId
) -> None:
    with SymbolServer(tmp_path, certificate=authority.issue("127.0.0.1")) as server:
        error = ask(module_id, make_supplier(server.url))
    assert type(error) is UnavailableSymbolFileError
    assert "its certificate is not trusted: unable to get local issuer" in str(error)
