"""The token file, and lookups in it."""

import hmac
import os
from pathlib import Path

import pytest

from symbolon_server.rpc.access.tokens import Permission, Tokens, hash_token
from symbolon_server.rpc.calls.reloaded import UnusableFileError
from tests.fixtures.redis_fixtures import FakeClock
from tests.rpc.access.protected import write_tokens

PIPELINE = "pipeline-0123456789abcdef"
OPERATOR = "operator-0123456789abcdef"
BOTH = frozenset(Permission)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_tokens(
        tmp_path / "tokens",
        ("pipeline", "symbolicate", PIPELINE),
        ("operator", "operate,symbolicate", OPERATOR),
    )


def names(tokens: Tokens) -> list[str | None]:
    found = [tokens.find(token) for token in (PIPELINE, OPERATOR, "")]
    return [token.name if token else None for token in found]


def test_a_token_is_found_by_its_hash_with_its_permissions(file: Path) -> None:
    tokens = Tokens(file)
    pipeline, operator = tokens.find(PIPELINE), tokens.find(OPERATOR)
    assert pipeline is not None
    assert operator is not None
    assert (pipeline.name, pipeline.may) == ("pipeline", frozenset({Permission.SYMBOLICATE}))
    assert (operator.name, operator.may) == ("operator", BOTH)
    assert len(tokens) == 2


@pytest.mark.parametrize("token", ["", PIPELINE[:-1], PIPELINE + "x", PIPELINE.upper(), "é\udc80"])
def test_a_token_that_is_not_in_the_file_is_not_known(file: Path, token: str) -> None:
    assert Tokens(file).find(token) is None


def test_every_known_token_is_compared_whichever_it_is(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []

    def compare(known: bytes, said: bytes) -> bool:
        compared.append(known)
        return hmac_compare(known, said)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    tokens = Tokens(file)
    for token in (PIPELINE, OPERATOR, "an-unknown-token-0123456789"):
        tokens.find(token)
        assert len(compared) == len(set(compared)) == 2
        compared.clear()


@pytest.mark.promise(
    "Tokens appear neither in their file, nor in memory, nor in errors", group="access"
)
def test_neither_file_nor_memory_shows_a_token_or_its_hash(file: Path) -> None:
    assert PIPELINE not in file.read_text()
    shown = repr(Tokens(file).find(PIPELINE))
    assert PIPELINE not in shown
    assert hash_token(PIPELINE).removeprefix("sha256:") not in shown


def test_the_hash_of_a_token_is_what_the_file_wants(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# who\n\n  a.b\tsymbolicate   {hash_token(PIPELINE)}  \r\n")
    found = Tokens(file).find(PIPELINE)
    assert found is not None
    assert found.name == "a.b"


@pytest.mark.parametrize(
    "token", ["", "short", "x" * 19, "x" * 30 + " ", "é" * 30, "x" * 30 + "\n"]
)
def test_an_invalid_token_is_not_hashed(token: str) -> None:
    with pytest.raises(ValueError, match=r"^a token ") as caught:
        hash_token(token)
    assert not token or token not in str(caught.value)


def test_a_changed_file_is_reloaded_within_a_second(file: Path, clock: FakeClock) -> None:
    tokens = Tokens(file, clock)
    assert names(tokens) == ["pipeline", "operator", None]
    write_tokens(file, ("new", "symbolicate", PIPELINE))
    clock.now += 0.9
    assert names(tokens) == ["pipeline", "operator", None]
    clock.now += 0.1
    assert names(tokens) == ["new", None, None]


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_changed_file_of_the_same_size_and_time_is_reloaded(
    file: Path, clock: FakeClock, is_replaced: bool
) -> None:
    tokens = Tokens(file, clock)
    state = file.stat()
    other = file.with_name("other") if is_replaced else file
    # The clock of the file system takes a few milliseconds to advance.
    while not other.exists() or other.stat().st_ctime_ns == state.st_ctime_ns:
        write_tokens(
            other,
            ("operator", "symbolicate", PIPELINE),
            ("pipeline", "operate,symbolicate", OPERATOR),
        )
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    clock.now += 1
    assert names(tokens) == ["operator", "pipeline", None]


@pytest.mark.promise("Certificates and tokens are reloaded; invalid files change nothing")
def test_an_invalid_or_deleted_file_is_logged_once_and_ignored(
    file: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Tokens(file, clock)
    whole = file.read_bytes()
    for spoil in (lambda: file.write_text("pipeline secret\n"), file.unlink):
        spoil()
        for _ in range(3):
            clock.now += 1
            assert names(tokens) == ["pipeline", "operator", None]
    assert [record.getMessage() for record in caplog.records] == ["file_not_reloaded"] * 2
    assert "secret" not in caplog.text
    file.write_bytes(whole.replace(b"pipeline", b"fixed"))
    clock.now += 1
    assert names(tokens) == ["fixed", "operator", None]


HASH = hash_token(PIPELINE)


@pytest.mark.promise("Tokens appear neither in their file, nor in memory, nor in errors")
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "has no token"),
        ("# nobody\n", "has no token"),
        ("pipeline secret\n", "line 1 is not"),
        (f"pipeline symbolicate {HASH[:-1]}\n", "line 1 is not"),
        (f"\npipeline symbolicate {HASH.upper()}\n", "line 2 is not"),
        (f"pipeline symbolicate {HASH} secret\n", "line 1 is not"),
        (f"pipeline secret {HASH}\n", "line 1 has an unknown permission"),
        (f"pipeline symbolicate, {HASH}\n", "line 1 has an unknown permission"),
        (f"a symbolicate {HASH}\nb symbolicate {HASH}\n", "line 2 repeats a name or a hash"),
        ("secret\udcff", "is not UTF-8 text"),
    ],
)
def test_an_unusable_file_is_refused_without_quoting_it(
    tmp_path: Path, content: str, complaint: str
) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UnusableFileError, match=complaint) as caught:
        Tokens(file)
    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert HASH[7:] not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="No such file"):
        Tokens(tmp_path / "tokens")
