"""What a symbol server's answers become."""

import gzip
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
import zstandard

from symbolon_server.suppliers.errors import (
    BrokenSymbolFileError,
    MissingSymbolFileError,
    SupplierError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.http import HttpSupplier
from symbolon_server.suppliers.limits import MIB
from symbolon_server.symbols.module_ids import ModuleId
from tests.fixtures.symbol_server import ALL_PATHS, Answer, Ending, SymbolServer
from tests.suppliers.conftest import FakeTime, MakeSupplier

TEXT = b"MODULE windows x86_64 44E4EC8C2F41492B9369D6B9A059577C2 xul.pdb\nPUBLIC 10 0 start\n"

COMPRESSIONS = [
    pytest.param(gzip.compress, id="gzip"),
    pytest.param(zstandard.compress, id="zstd"),
]

TEMPORARY = [408, 429, 500, 502, 503, 504]


def fetch(supplier: HttpSupplier, module_id: ModuleId) -> bytes:
    with supplier.fetch(module_id) as stream:
        return b"".join(stream)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class TestFound:
    def test_the_text_arrives_whole(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        path = symbol_server.put(module_id, TEXT)

        assert fetch(make_supplier(), module_id) == TEXT
        assert path == "/xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2/xul.sym"
        assert symbol_server.counts() == {path: 1}

    def test_it_counts_the_bytes_as_sent(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        packed = gzip.compress(TEXT * 1000)
        symbol_server.put(module_id, packed)

        with make_supplier().fetch(module_id) as stream:
            assert b"".join(stream) == TEXT * 1000
        assert stream.fetched_bytes == len(packed)

    def test_the_user_agent_names_the_software(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.put(module_id, TEXT)
        fetch(make_supplier(), module_id)

        assert symbol_server.gets[0].headers["User-Agent"] == "symbolon/1.2.3"

    @pytest.mark.parametrize(
        ("debug_file", "path"),
        [
            ("a b+c#.pdb", "a%20b%2Bc%23.pdb/{}/a%20b%2Bc%23.sym"),
            ("%2e%2e", "%252e%252e/{}/%252e%252e.sym"),
            ("q?x=1&y", "q%3Fx%3D1%26y/{}/q%3Fx%3D1%26y.sym"),
            ("Größe.PDB", "Gr%C3%B6%C3%9Fe.PDB/{}/Gr%C3%B6%C3%9Fe.sym"),
            ("libc~.so;6", "libc~.so%3B6/{}/libc~.so%3B6.sym"),
        ],
    )
    def test_names_are_quoted_in_the_path(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        debug_file: str,
        path: str,
    ) -> None:
        module_id = ModuleId.parse(debug_file, "A" * 33)
        symbol_server.put(module_id, TEXT)

        assert fetch(make_supplier(), module_id) == TEXT
        assert symbol_server.gets[0].path == "/" + path.format("A" * 33)

    @pytest.mark.parametrize("base", ["v1/public", "v1/public/"])
    def test_a_url_may_have_a_path_and_a_query(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        base: str,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(TEXT))
        supplier = make_supplier(f"{symbol_server.url}{base}?sig=a%2Bb&x")

        assert fetch(supplier, module_id) == TEXT
        path = symbol_server.path_of(module_id)
        assert symbol_server.gets[0].path == f"/v1/public{path}?sig=a%2Bb&x"
        assert supplier.name == f"127.0.0.1:{symbol_server.port}/v1/public"

    def test_connections_are_used_again_whatever_the_answer(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(
            ALL_PATHS,
            Answer(TEXT),
            Answer(b"no", status=404),
            Answer(TEXT, ending=Ending.CHUNKED),
            Answer(b"moved", status=302, headers={"Location": "/elsewhere"}),
            Answer(TEXT),
        )
        supplier = make_supplier()
        for _ in range(4):
            try:
                fetch(supplier, module_id)
            except MissingSymbolFileError:
                continue

        assert symbol_server.get_count == 5
        assert symbol_server.connections == 1

    def test_a_forked_process_makes_connections_of_its_own(
        self, symbol_server: SymbolServer, module_id: ModuleId
    ) -> None:
        symbol_server.put(module_id, TEXT)

        run = subprocess.run(
            [
                sys.executable,
                "-c",
                FETCH_BEFORE_AND_AFTER_A_FORK,
                symbol_server.url,
                str(module_id),
            ],
            check=True,
            capture_output=True,
            timeout=60,
        )

        assert run.stdout.split() == [b"child", b"0", b"parent"]
        assert symbol_server.get_count == 3
        assert symbol_server.connections == 2

    def test_cookies_are_not_kept(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(TEXT, headers={"Set-Cookie": "a=b; Path=/"}))
        supplier = make_supplier()
        fetch(supplier, module_id)
        fetch(supplier, module_id)

        assert "Cookie" not in symbol_server.gets[1].headers


FETCH_BEFORE_AND_AFTER_A_FORK = """
import os, sys
from symbolon_server.suppliers.parse import parse_suppliers
from symbolon_server.symbols.module_ids import ModuleId

(supplier,) = parse_suppliers(sys.argv[1])
module_id = ModuleId.from_text(sys.argv[2])

def fetch():
    with supplier.fetch(module_id) as stream:
        assert b"".join(stream).startswith(b"MODULE")

fetch()
child = os.fork()
if child == 0:
    fetch()
    os.write(1, b"child ")
    os._exit(0)
print(os.waitpid(child, 0)[1], end=" ")
fetch()
print("parent")
"""


class TestRefused:
    @pytest.mark.parametrize("status", [404, 410])
    def test_a_definite_no_is_missing(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        status: int,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(b"gone", status=status))

        with pytest.raises(MissingSymbolFileError):
            fetch(make_supplier(), module_id)
        assert symbol_server.get_count == 1

    @pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 403, 405, 451, 501, 505])
    def test_what_is_no_definite_no_is_unavailable(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        status: int,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=status))

        with pytest.raises(UnavailableSymbolFileError, match=str(status)):
            fetch(make_supplier(), module_id)
        assert symbol_server.get_count == 1


class TestRetries:
    @pytest.mark.parametrize("status", TEMPORARY)
    def test_a_server_in_trouble_is_asked_three_times_with_growing_pauses(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        fake_time: FakeTime,
        module_id: ModuleId,
        status: int,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=status))

        with pytest.raises(UnavailableSymbolFileError, match=f"HTTP {status}") as caught:
            fetch(make_supplier(), module_id)
        assert symbol_server.get_count == 3
        assert fake_time.pauses == [0.5, 1.0]
        assert caught.value.retry_after_seconds is None

    def test_a_server_that_recovers_answers(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=503), Answer(status=500), Answer(TEXT))

        assert fetch(make_supplier(), module_id) == TEXT

    def test_a_short_retry_after_is_waited_for(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        fake_time: FakeTime,
        module_id: ModuleId,
    ) -> None:
        symbol_server.answer(
            ALL_PATHS, Answer(status=429, headers={"Retry-After": "7"}), Answer(TEXT)
        )

        assert fetch(make_supplier(), module_id) == TEXT
        assert fake_time.pauses == [7.0]

    def test_a_long_retry_after_is_told_at_once(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        fake_time: FakeTime,
        module_id: ModuleId,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=429, headers={"Retry-After": "120"}))

        with pytest.raises(UnavailableSymbolFileError, match="HTTP 429") as caught:
            fetch(make_supplier(), module_id)
        assert caught.value.retry_after_seconds == 120.0
        assert symbol_server.get_count == 1
        assert fake_time.pauses == []

    def test_no_pause_leads_over_the_total_time(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        fake_time: FakeTime,
        module_id: ModuleId,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=503, headers={"Retry-After": "9"}))

        with pytest.raises(UnavailableSymbolFileError):
            fetch(make_supplier(total_seconds=20), module_id)
        assert fake_time.pauses == [9.0, 9.0]
        with pytest.raises(UnavailableSymbolFileError):
            fetch(make_supplier(total_seconds=9), module_id)
        assert fake_time.pauses == [9.0, 9.0]

    def test_a_connection_refused_is_tried_again(
        self, make_supplier: MakeSupplier, fake_time: FakeTime, module_id: ModuleId
    ) -> None:
        supplier = make_supplier(f"http://127.0.0.1:{free_port()}/")

        with pytest.raises(UnavailableSymbolFileError, match=r"^connection refused$"):
            fetch(supplier, module_id)
        assert fake_time.pauses == [0.5, 1.0]

    def test_a_name_without_an_address_is_tried_again(
        self, make_supplier: MakeSupplier, fake_time: FakeTime, module_id: ModuleId
    ) -> None:
        supplier = make_supplier("http://symbols.invalid/")

        with pytest.raises(UnavailableSymbolFileError, match=r"^its name is not known$"):
            fetch(supplier, module_id)
        assert fake_time.pauses == [0.5, 1.0]

    def test_tls_to_a_server_without_it_fails_at_once(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        fake_time: FakeTime,
        module_id: ModuleId,
    ) -> None:
        supplier = make_supplier(symbol_server.url.replace("http:", "https:"))

        with pytest.raises(UnavailableSymbolFileError, match=r"^TLS failed$"):
            fetch(supplier, module_id)
        assert fake_time.pauses == []


class TestTime:
    def test_a_server_that_accepts_and_says_nothing_is_unavailable_after_one_wait(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.STALLED_AT_ONCE))

        with pytest.raises(UnavailableSymbolFileError, match=r"^no answer in time$"):
            fetch(make_supplier(read_seconds=0.1), module_id)
        assert symbol_server.get_count == 1

    def test_a_body_that_stalls_is_unavailable(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.STALLED_MIDWAY))

        with pytest.raises(UnavailableSymbolFileError, match=r"^no answer in time$"):
            fetch(make_supplier(read_seconds=0.1), module_id)

    def test_a_body_of_single_bytes_ends_at_the_total_time(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        fake_time: FakeTime,
        module_id: ModuleId,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(b"M", ending=Ending.ENDLESS))
        fake_time.step = 1.0

        with pytest.raises(UnavailableSymbolFileError, match=r"^took longer than 600 s$"):
            fetch(make_supplier(), module_id)


class TestSize:
    def test_more_than_the_limit_announced_is_refused_before_it_is_sent(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.put(module_id, TEXT)

        with pytest.raises(BrokenSymbolFileError, match=r"^is larger than 64 bytes$"):
            make_supplier(max_sent_bytes=64).fetch(module_id).__enter__()

    def test_an_endless_body_ends_at_the_limit(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(TEXT, ending=Ending.ENDLESS))

        with pytest.raises(BrokenSymbolFileError, match=r"^is larger than 3 MiB$"):
            fetch(make_supplier(max_sent_bytes=3 * MIB), module_id)

    @pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
    def test_a_length_beyond_all_numbers_is_refused(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        length: str,
    ) -> None:
        symbol_server.answer(
            ALL_PATHS, Answer(headers={"Content-Length": length}, ending=Ending.CLOSED)
        )

        with pytest.raises(BrokenSymbolFileError, match=r"^is larger than 2 GiB$"):
            fetch(make_supplier(), module_id)

    @pytest.mark.parametrize("pack", COMPRESSIONS)
    def test_a_bomb_ends_at_the_limit_of_what_is_unpacked(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        pack: Callable[[bytes], bytes],
    ) -> None:
        symbol_server.put(module_id, pack(bytes(64 * MIB)))

        with (
            make_supplier(max_unpacked_bytes=8 * MIB).fetch(module_id) as stream,
            pytest.raises(BrokenSymbolFileError, match=r"^holds more than 8 MiB unpacked$"),
        ):
            for _ in stream:
                pass
        assert stream.fetched_bytes < MIB


class TestCut:
    @pytest.mark.parametrize("ending", [Ending.CUT, Ending.CHUNKED_CUT])
    @pytest.mark.parametrize("body", [TEXT, TEXT * 10_000, gzip.compress(TEXT)])
    def test_a_body_that_breaks_off_is_unavailable(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        ending: Ending,
        body: bytes,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(body, ending=ending))

        with pytest.raises(UnavailableSymbolFileError, match=r"^the connection broke"):
            fetch(make_supplier(), module_id)

    @pytest.mark.parametrize("pack", COMPRESSIONS)
    def test_a_file_that_was_stored_cut_is_broken(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        pack: Callable[[bytes], bytes],
    ) -> None:
        symbol_server.put(module_id, pack(TEXT)[:-5])

        with pytest.raises(BrokenSymbolFileError, match=r"ends in the middle$"):
            fetch(make_supplier(), module_id)

    def test_a_cut_file_is_unavailable_where_only_hanging_up_ends_it(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        cut = gzip.compress(TEXT)[:-5]
        symbol_server.answer(ALL_PATHS, Answer(cut, ending=Ending.CLOSED))

        with pytest.raises(UnavailableSymbolFileError, match=r"or the connection broke$"):
            fetch(make_supplier(), module_id)


class TestEncodings:
    @pytest.mark.parametrize(
        ("coding", "body"),
        [
            ("", gzip.compress(TEXT)),
            ("", zstandard.compress(TEXT)),
            ("identity", TEXT),
            ("gzip", gzip.compress(TEXT)),
            ("GZip", gzip.compress(TEXT)),
            ("x-gzip", gzip.compress(TEXT)),
            ("zstd", zstandard.compress(TEXT)),
            ("gzip", gzip.compress(zstandard.compress(TEXT))),
            ("gzip", gzip.compress(gzip.compress(TEXT))),
            ("zstd, gzip", gzip.compress(zstandard.compress(gzip.compress(TEXT)))),
            ("gzip", TEXT),
        ],
    )
    def test_the_encoding_and_the_file_s_own_compression_are_undone(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        coding: str,
        body: bytes,
    ) -> None:
        headers = {"Content-Encoding": coding}
        endings = (Ending.WHOLE, Ending.CHUNKED, Ending.CLOSED)
        answers = [Answer(body, headers=headers, ending=ending) for ending in endings]
        symbol_server.answer(ALL_PATHS, *answers)
        supplier = make_supplier()

        assert [fetch(supplier, module_id) for _ in endings] == [TEXT] * 3

    @pytest.mark.parametrize("coding", ["br", "deflate", "gzip, br", "gzip, gzip, gzip"])
    def test_an_encoding_that_was_not_asked_for_is_broken(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        coding: str,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(TEXT, headers={"Content-Encoding": coding}))

        with pytest.raises(BrokenSymbolFileError, match="nobody asked for"):
            fetch(make_supplier(), module_id)


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_followed(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        status: int,
    ) -> None:
        headers = {"Location": "/real?signature=x"}
        symbol_server.answer(
            symbol_server.path_of(module_id), Answer(status=status, headers=headers)
        )
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
    def test_a_redirect_to_what_is_not_http_is_refused(
        self,
        symbol_server: SymbolServer,
        make_supplier: MakeSupplier,
        module_id: ModuleId,
        location: str,
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=302, headers={"Location": location}))

        with pytest.raises(UnavailableSymbolFileError, match=r"^redirects to what "):
            fetch(make_supplier(), module_id)
        assert symbol_server.get_count == 1

    def test_the_body_of_a_redirect_is_not_read_whole(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        endless = Answer(b"x" * 1000, 302, {"Location": "/real"}, Ending.ENDLESS)
        symbol_server.answer(symbol_server.path_of(module_id), endless)
        symbol_server.answer("/real", Answer(TEXT))

        assert fetch(make_supplier(), module_id) == TEXT

    def test_a_redirect_loop_ends_after_five(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
    ) -> None:
        symbol_server.answer(ALL_PATHS, Answer(status=302, headers={"Location": "/again"}))

        with pytest.raises(UnavailableSymbolFileError, match=r"^redirects more than 5 times$"):
            fetch(make_supplier(), module_id)
        assert symbol_server.get_count == 6

    def test_credentials_stay_with_their_own_host(
        self, symbol_server: SymbolServer, make_supplier: MakeSupplier, module_id: ModuleId
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

    def test_a_netrc_file_is_not_looked_into(
        self,
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
        Answer(TEXT, headers={"Content-Encoding": "secret"}),
        Answer(b"\x1f\x8bsecret"),
    ],
)
def test_no_error_tells_a_secret(
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
