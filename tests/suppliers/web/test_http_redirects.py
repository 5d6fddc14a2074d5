"""Where a symbol server may redirect us, and which secrets it must not get or reveal."""

import pytest

from symbolon_server.suppliers.contents.errors import SupplierError, UnavailableSymbolFileError
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.asking import TEXT, fetch
from tests.suppliers.conftest import MakeSupplier


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    status: int,
) -> None:
    headers = {"Location": "/real?signature=x"}
    symbol_server.answer(symbol_server.path_of(module_id), Answer(status=status, headers=headers))
    symbol_server.answer("/real?signature=x", Answer(TEXT))

    assert fetch(make_supplier(), module_id) == TEXT


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "//[x/",
        "http://a:port/",
        "gopher:x",
    ],
)
def test_a_redirect_to_another_scheme_is_refused(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    location: str,
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=302, headers={"Location": location}))

    with pytest.raises(UnavailableSymbolFileError, match=r"^redirects to a URL that "):
        fetch(make_supplier(), module_id)
    assert symbol_server.get_count == 1


def test_the_body_of_a_redirect_is_not_read_whole(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    endless = Answer(b"x" * 1000, 302, {"Location": "/real"}, Ending.ENDLESS)
    symbol_server.answer(symbol_server.path_of(module_id), endless)
    symbol_server.answer("/real", Answer(TEXT))

    assert fetch(make_supplier(), module_id) == TEXT


def test_a_redirect_loop_ends_after_five(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    symbol_server.answer(ALL_PATHS, Answer(status=302, headers={"Location": "/again"}))

    with pytest.raises(UnavailableSymbolFileError, match=r"^redirects more than 5 times$"):
        fetch(make_supplier(), module_id)
    assert symbol_server.get_count == 6


@pytest.mark.promise("Credentials of a supplier are sent to no other host")
def test_credentials_stay_with_their_own_host(
    symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
) -> None:
    other_host = f"http://localhost:{symbol_server.port}/there"
    symbol_server.answer(
        symbol_server.path_of(module_id), Answer(status=302, headers={"Location": "/here"})
    )
    symbol_server.answer("/here", Answer(status=302, headers={"Location": other_host}))
    symbol_server.answer("/there", Answer(TEXT))
    supplier = make_supplier(f"http://me:pass%40word@127.0.0.1:{symbol_server.port}/")

    assert fetch(supplier, module_id) == TEXT
    sent = [get.headers.get("Authorization") for get in symbol_server.gets]
    assert sent == ["Basic bWU6cGFzc0B3b3Jk", "Basic bWU6cGFzc0B3b3Jk", None]


def test_a_netrc_file_is_not_read(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    symbol_server.put(module_id, TEXT)
    fetch(make_supplier(), module_id)

    assert "Authorization" not in symbol_server.gets[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"secret", status=404),
        Answer(status=500),
        Answer(status=403),
        Answer(TEXT, ending=Ending.CUT),
        Answer(TEXT, ending=Ending.CHUNKED_CUT),
        Answer(TEXT, ending=Ending.STALLED_AT_ONCE),
        Answer(status=302, headers={"Location": "file:///secret"}),
        Answer(status=302, headers={"Location": "http://secret:secret@secret.invalid:1/secret"}),
        Answer(status=302, headers={"Location": "https://127.0.0.1:1/secret?secret"}),
        Answer(status=302, headers={"Location": "http://secret\udcff/"}),
        Answer(headers={"Content-Length": "secret"}, ending=Ending.CLOSED, status=500),
        Answer(b"4\r\nsecret", headers={"Content-Encoding": "secret"}),
        Answer(b"\x1f\x8bsecret"),
    ],
)
def test_no_error_contains_a_secret(
    symbol_server: SymbolServer,
    make_supplier: MakeSupplier,
    module_id: ModuleId,
    answer: Answer,
) -> None:
    symbol_server.answer(ALL_PATHS, answer)
    url = f"http://secret:secret@127.0.0.1:{symbol_server.port}/?secret"
    supplier = make_supplier(url, read_seconds=0.2)

    with pytest.raises(SupplierError) as caught:
        fetch(supplier, module_id)
    assert "secret" not in f"{caught.value} {supplier.name} {supplier!r}"
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
