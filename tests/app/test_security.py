"""A server on a public address, as its operator and its callers meet it."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from symbolon.command_line.arguments import main
from symbolon_server.app import StartError
from symbolon_server.app.wiring.security import protection_of
from symbolon_server.rpc.access.tokens import hash_token
from symbolon_server.settings import Settings
from tests.app.conftest import PATIENCE_SECONDS, Program, StartProgram, wait_until
from tests.fixtures.certificates import Authority, authority
from tests.fixtures.networks import public_address

__all__ = ["authority", "public_address"]

TOKEN = "pipeline-0123456789abcdef"
NEXT_TOKEN = "pipeline-fedcba9876543210"
OPERATOR = "operator-0123456789abcdef"
MODULE = "orchard/C3D8E3C7B6594DF1DFCA907993B477250"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A server that requires certificate and token, and the flags that a client needs."""

    program: Program
    tokens: Path
    flags: list[str]
    certificate: list[str]


@pytest.fixture
def guarded(
    serve: StartProgram, authority: Authority, public_address: str, tmp_path: Path
) -> Guarded:
    """One on a public address, with two processes."""
    server, client = authority.issue(public_address), authority.issue("pipeline.example")
    tokens = tmp_path / "tokens"
    tokens.write_text(
        f"pipeline symbolicate {hash_token(TOKEN)}\noperator operate {hash_token(OPERATOR)}\n"
    )
    program = serve(
        listen=f"{public_address}:0",
        processes="2",
        worker="false",
        tls_cert=str(server.chain),
        tls_key=str(server.key),
        tls_client_ca=str(authority.file),
        auth_tokens_file=str(tokens),
    )
    target = f"--target={program.await_address()}"
    return Guarded(
        program,
        tokens,
        [target, "--timeout=10", f"--tls-ca={authority.file}"],
        [f"--tls-cert={client.chain}", f"--tls-key={client.key}"],
    )


def test_a_public_server_answers_callers_with_certificate_and_token(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYMBOLON_TOKEN", TOKEN)
    assert main(["info", *guarded.flags, *guarded.certificate]) == 0
    assert main(["info", *guarded.flags]) == 1
    for command in ("invalidate", "prefetch"):
        assert main([command, MODULE, *guarded.flags, *guarded.certificate]) == 1
        assert "the token lacks the permission operate" in capsys.readouterr().err
    monkeypatch.setenv("SYMBOLON_TOKEN", OPERATOR)
    assert main(["invalidate", MODULE, *guarded.flags, *guarded.certificate]) == 0
    monkeypatch.setenv("SYMBOLON_TOKEN", NEXT_TOKEN)
    assert main(["health", *guarded.flags, *guarded.certificate]) == 0
    assert main(["info", *guarded.flags, *guarded.certificate]) == 1
    assert "the token is missing or unknown" in capsys.readouterr().err

    guarded.tokens.write_text(f"pipeline symbolicate {hash_token(NEXT_TOKEN)}\n")
    # Each of the two processes reads the file by itself, when it is next called.
    wait_until(lambda: main(["info", *guarded.flags, *guarded.certificate]) == 0)
    for token in (TOKEN, NEXT_TOKEN):
        assert token not in guarded.program.log


def program_says(token: str, environment: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "symbolon_server", "hash-token"],
        input=token.encode(),
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    return done.returncode, done.stdout.decode()


def test_the_program_makes_the_hash_of_a_token(environment: dict[str, str]) -> None:
    assert program_says(f"{TOKEN}\n", environment) == (0, f"{hash_token(TOKEN)}\n")
    code, said = program_says("hunter2", environment)
    assert code == 2
    assert said.startswith("symbolon-server: a token needs at least 20 characters")
    assert "hunter2" not in said


def test_unusable_files_are_reported_with_their_settings(
    authority: Authority, tmp_path: Path
) -> None:
    server = authority.issue("127.0.0.1")
    for settings, complaint in (
        (Settings(tls_cert=server.chain), "TLS needs both SYMBOLON_TLS_CERT and SYMBOLON_TLS_KEY"),
        (Settings(tls_client_ca=authority.file), "TLS needs both"),
        (
            Settings(tls_cert=server.chain, tls_key=tmp_path),
            f"SYMBOLON_TLS_*: cannot read {tmp_path}: Is a directory",
        ),
        (Settings(auth_tokens_file=server.key), "SYMBOLON_AUTH_TOKENS_FILE: "),
    ):
        with pytest.raises(StartError) as caught:
            protection_of(settings)
        assert str(caught.value).startswith(complaint)
        assert "PRIVATE KEY" not in str(caught.value)


def test_a_server_with_half_of_tls_does_not_start(
    serve: StartProgram, authority: Authority
) -> None:
    program = serve(tls_cert=str(authority.issue("127.0.0.1").chain))
    assert program.process.wait(PATIENCE_SECONDS) == 1
    assert program.log == (
        "symbolon-server: TLS needs both SYMBOLON_TLS_CERT and SYMBOLON_TLS_KEY\n"
    )
