"""Several suppliers in order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from symbolon_server.cache.failures import LONGEST_DETAIL
from symbolon_server.suppliers.chain import Attempt, AttemptOutcome, SupplierChain
from symbolon_server.suppliers.contents.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.limits import FetchLimits
from symbolon_server.suppliers.contents.supplier import Supplier, SymbolFileStream
from symbolon_server.suppliers.directory import DirectorySupplier
from symbolon_server.suppliers.layouts.format_layout import NEITHER, NO_BUILD_ID
from symbolon_server.suppliers.layouts.layout import CandidatePath, FileUse
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.errors import (
    MalformedSymbolFileError,
    NoSymbolFileError,
    NoSymbolsError,
)
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, HTML_PAGE, Answer, Ending, SymbolServer
from tests.suppliers.conftest import MakeSupplier

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\n"


def read(pieces: Iterator[bytes]) -> bytes:
    """Replaces the reader; it only refuses the same texts."""
    text = b"".join(pieces)
    if not text.startswith(b"MODULE"):
        raise NoSymbolFileError("has no MODULE record")
    if not text.startswith(b"MODULE "):
        raise MalformedSymbolFileError("its MODULE record is bad")
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def put(folder: Path, module_id: ModuleId, text: bytes) -> None:
    path = folder / module_id.debug_file / module_id.debug_id / module_id.symbol_file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(text)


def test_the_first_supplier_with_the_file_is_used(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, folder: Path, module_id: ModuleId
) -> None:
    put(folder, module_id, TEXT)
    symbol_server.put(module_id, TEXT)

    fetched = SupplierChain([DirectorySupplier(folder), make_supplier()]).fetch(
        AskedModule(module_id), read
    )

    assert fetched.value == TEXT
    assert fetched.supplier == str(folder)
    assert fetched.fetched_bytes == len(TEXT)
    assert [attempt.outcome for attempt in fetched.attempts] == [AttemptOutcome.FOUND]
    assert symbol_server.get_count == 0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(status=404), AttemptOutcome.MISSING),
        (Answer(status=403), AttemptOutcome.UNAVAILABLE),
        (Answer(TEXT, ending=Ending.CUT), AttemptOutcome.UNAVAILABLE),
        (HTML_PAGE, AttemptOutcome.UNAVAILABLE),
        (Answer(b"MODULE\n"), AttemptOutcome.MALFORMED),
        (Answer(b"\x1f\x8bnot gzip"), AttemptOutcome.MALFORMED),
        (Answer(), AttemptOutcome.UNAVAILABLE),
    ],
    ids=str,
)
def test_after_any_failure_the_next_supplier_is_asked(
    symbol_server: SymbolServer,
    folder: Path,
    module_id: ModuleId,
    answer: Answer,
    outcome: AttemptOutcome,
) -> None:
    symbol_server.answer(ALL_PATHS, answer)
    put(folder, module_id, TEXT)
    observed: list[Attempt] = []
    server, directory = parse_suppliers(f"{symbol_server.url},{folder}")
    chain = SupplierChain([server, directory], observed.append)

    fetched = chain.fetch(AskedModule(module_id), read)

    assert fetched.value == TEXT
    assert [attempt.outcome for attempt in fetched.attempts] == [outcome, AttemptOutcome.FOUND]
    assert tuple(observed) == fetched.attempts


def test_each_file_requested_is_an_attempt(folder: Path, module_id: ModuleId) -> None:
    asked = AskedModule(module_id, lacks_age=True)
    path = folder / "xul.pdb" / "44E4EC8C2F41492B9369D6B9A059577C" / "xul.sym"
    path.parent.mkdir(parents=True)
    path.write_bytes(TEXT)

    fetched = SupplierChain([DirectorySupplier(folder)]).fetch(asked, read)

    assert [(attempt.path, attempt.outcome) for attempt in fetched.attempts] == [
        ("xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym", AttemptOutcome.MISSING),
        ("xul.pdb/44E4EC8C2F41492B9369D6B9A059577C/xul.sym", AttemptOutcome.FOUND),
    ]


def test_it_is_missing_if_all_suppliers_say_so(
    make_supplier: MakeSupplier, folder: Path, module_id: ModuleId
) -> None:
    chain = SupplierChain([make_supplier(), DirectorySupplier(folder)])

    with pytest.raises(MissingSymbolFileError, match=r"^no supplier has it$"):
        chain.fetch(AskedModule(module_id), read)


def test_what_the_request_lacks_is_told_before_suppliers_that_it_does_not_concern(
    tmp_path: Path, module_id: ModuleId
) -> None:
    table = "[[source]]\nlocation = '{}'\nlayout = 'native'\n{}\n"
    tables = [table.format(f"/others/{number}", "only = ['*.so']") for number in range(20)]
    (tmp_path / "sources.toml").write_text("".join([*tables, table.format(tmp_path, "")]))
    asked = AskedModule(module_id._replace(debug_file="crash"))

    with pytest.raises(MissingSymbolFileError) as caught:
        SupplierChain(parse_suppliers(f"{tmp_path}/sources.toml")).fetch(asked, read)

    assert str(caught.value) == (
        f"no supplier has it; {tmp_path}: {NO_BUILD_ID}; "
        "/others/0 and 19 others: is not asked for modules of such names"
    )


@pytest.mark.parametrize("count", [2, 20])
def test_what_many_suppliers_need_is_told_once(
    count: int, tmp_path: Path, module_id: ModuleId
) -> None:
    folders = [tmp_path / ("n" * 200) / str(number) for number in range(count)]
    for folder in folders:
        folder.mkdir(parents=True)
    tables = [
        f"[[source]]\nlocation = '{folder}'\nlayout = '{layout}'\n"
        for folder in folders
        for layout in ("native", "slashsymbols")
    ]
    (tmp_path / "sources.toml").write_text("".join(tables))
    asked = AskedModule(module_id._replace(debug_file="crash"))

    with pytest.raises(MissingSymbolFileError) as caught:
        SupplierChain(parse_suppliers(f"{tmp_path}/sources.toml")).fetch(asked, read)

    detail = str(caught.value)
    assert len(detail) <= LONGEST_DETAIL
    others = f"{count - 1} other{'s' if count > 2 else ''}"
    assert re.fullmatch(
        rf"no supplier has it; /\S{{29}}…n+/0 and {others}: {re.escape(NO_BUILD_ID)}; "
        rf"/\S{{29}}…n+/0 and {others}: {NEITHER}",
        detail,
    )


def test_failures_of_several_suppliers_for_one_reason_are_told_once(
    tmp_path: Path, module_id: ModuleId
) -> None:
    gone = [DirectorySupplier(tmp_path / name) for name in ("a", "b", "c")]
    reason = rf"^{tmp_path}/a and 2 others: no such file or directory$"
    with pytest.raises(UnavailableSymbolFileError, match=reason):
        SupplierChain(gone).fetch(AskedModule(module_id), read)


def test_it_is_missing_without_any_supplier(module_id: ModuleId) -> None:
    with pytest.raises(MissingSymbolFileError, match=r"^no supplier is configured$"):
        SupplierChain([]).fetch(AskedModule(module_id), read)


def test_malformed_beats_missing(
    make_supplier: MakeSupplier, folder: Path, module_id: ModuleId
) -> None:
    put(folder, module_id, b"MODULE")

    with pytest.raises(BrokenSymbolFileError, match=r"folder: its MODULE record is bad$"):
        SupplierChain([DirectorySupplier(folder), make_supplier()]).fetch(
            AskedModule(module_id), read
        )


def test_unavailable_beats_malformed_and_missing(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, folder: Path, module_id: ModuleId
) -> None:
    put(folder, module_id, b"MODULE")
    symbol_server.answer(ALL_PATHS, Answer(status=503, headers={"Retry-After": "30"}))
    gone = DirectorySupplier(folder / "gone")
    suppliers: list[Supplier] = [DirectorySupplier(folder), make_supplier(), gone]

    with pytest.raises(UnavailableSymbolFileError) as caught:
        SupplierChain(suppliers).fetch(AskedModule(module_id), read)
    server = f"127.0.0.1:{symbol_server.port}"
    assert str(caught.value) == (
        f"{server}: answers HTTP 503; {folder}/gone: no such file or directory"
    )
    assert caught.value.retry_after_seconds == 30.0


def test_the_bytes_of_a_failed_attempt_are_counted(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.CUT))
    observed: list[Attempt] = []

    with pytest.raises(UnavailableSymbolFileError):
        SupplierChain([make_supplier()], observed.append).fetch(AskedModule(module_id), read)
    assert [attempt.fetched_bytes for attempt in observed] == [len(TEXT) // 2]


def test_an_unexpected_error_of_the_reader_propagates(folder: Path, module_id: ModuleId) -> None:
    def read_wrongly(_: Iterator[bytes]) -> bytes:
        raise ZeroDivisionError

    put(folder, module_id, TEXT)
    with pytest.raises(ZeroDivisionError):
        SupplierChain([DirectorySupplier(folder)]).fetch(AskedModule(module_id), read_wrongly)


class Layouts:
    """A supplier whose files have the given contents by path, None if absent, in this order."""

    name = "layouts"

    def __init__(self, files: Mapping[str, bytes | None], lacks: str = "") -> None:
        self._files = files
        self._lacks = lacks

    def candidates(self, _: AskedModule) -> Sequence[CandidatePath]:
        return [CandidatePath((name,), FileUse.DEBUG) for name in self._files]

    def lacks(self, _: AskedModule) -> str:
        return self._lacks

    @contextmanager
    def fetch(self, candidate: CandidatePath) -> Iterator[SymbolFileStream]:
        content = self._files[candidate.parts[0]]
        if content is None:
            raise MissingSymbolFileError
        yield SymbolFileStream([content], FetchLimits())


STRIPPED = b"MODULE stripped"
"""A file that `is_whole` refuses."""


def is_whole(text: bytes) -> bool:
    return text != STRIPPED


def outcomes(attempts: Sequence[Attempt]) -> list[tuple[str, str]]:
    return [(attempt.path, attempt.outcome.value) for attempt in attempts]


def test_debug_information_is_better_than_an_earlier_symbol_table(module_id: ModuleId) -> None:
    first = Layouts({"code": STRIPPED, "other code": STRIPPED})
    second = Layouts({"absent": None, "debug": TEXT, "never": TEXT})

    fetched = SupplierChain([first, second]).fetch(AskedModule(module_id), read, is_whole)

    assert fetched.value == TEXT
    assert outcomes(fetched.attempts) == [
        ("code", "found"),
        ("other code", "found"),
        ("absent", "missing"),
        ("debug", "found"),
    ]


def test_a_symbol_table_is_used_if_every_supplier_has_no_more(module_id: ModuleId) -> None:
    first = Layouts({"code": STRIPPED})
    second = Layouts({"debug": None, "broken": b"MODULE\n"})

    fetched = SupplierChain([first, second]).fetch(AskedModule(module_id), read, is_whole)

    assert (fetched.value, fetched.fetched_bytes) == (STRIPPED, len(STRIPPED))
    assert outcomes(fetched.attempts) == [
        ("code", "found"),
        ("debug", "missing"),
        ("broken", "malformed"),
    ]


def test_a_symbol_table_is_not_used_while_a_supplier_that_may_have_more_is_unavailable(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=403))
    chain = SupplierChain([Layouts({"code": STRIPPED}), make_supplier()])

    with pytest.raises(UnavailableSymbolFileError, match="refuses access"):
        chain.fetch(AskedModule(module_id), read, is_whole)


def test_after_a_malformed_file_the_next_file_of_the_supplier_is_fetched(
    module_id: ModuleId,
) -> None:
    chain = SupplierChain([Layouts({"other module's": b"MODULE\n", "right": TEXT})])

    fetched = chain.fetch(AskedModule(module_id), read)

    assert fetched.value == TEXT
    assert outcomes(fetched.attempts) == [("other module's", "malformed"), ("right", "found")]


def test_a_file_without_symbols_is_missing_with_a_reason(module_id: ModuleId) -> None:
    def refuse(pieces: Iterator[bytes]) -> bytes:
        del pieces
        raise NoSymbolsError("has no symbols; its PDB is crash.pdb")

    chain = SupplierChain([Layouts({"code": TEXT, "debug": None})])

    with pytest.raises(
        MissingSymbolFileError,
        match=r"^no supplier has it; layouts: has no symbols; its PDB is crash\.pdb$",
    ):
        chain.fetch(AskedModule(module_id), refuse)


def test_what_a_request_lacks_is_told_with_the_outcome(module_id: ModuleId) -> None:
    chain = SupplierChain([Layouts({"debug": None}, "needs the build id"), Layouts({}, "needs it")])

    with pytest.raises(
        MissingSymbolFileError,
        match=r"^no supplier has it; layouts: needs the build id; "
        r"layouts: needs it$",
    ):
        chain.fetch(AskedModule(module_id), read)
