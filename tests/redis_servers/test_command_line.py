"""The Redis command line, in a process of its own as `make redis-store-cli` runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from symbolon_server.redis_servers.keys import directory_key
from symbolon_server.store.redis_store import RedisPageStore
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.redis_fixtures import StartRedis

FAKE_CLI = """#!/bin/sh
echo "arguments: $@"
echo "password: $REDISCLI_AUTH"
"""


def run(
    *arguments: str, typed: str | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command line without any redis-cli on the PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYMBOLON_")}
    return subprocess.run(
        [sys.executable, "-m", "symbolon_server.redis_servers.command_line", *arguments],
        input=typed or "",
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/nowhere", **environment},
    )


def test_the_stored_modules_are_listed(
    redis_store: redis.Redis, clear_redis_store: None, redis_store_url: str, xul: ModuleId
) -> None:
    RedisPageStore(redis_store).put_directories({xul: b"directory"})
    ended = run("store", "keys", "symbol:*", SYMBOLON_STORE_URL=redis_store_url)
    assert ended.stdout == f"{directory_key(xul)}\n"
    assert ended.returncode == 0


def test_the_limit_is_shown_and_changed(start_redis: StartRedis) -> None:
    server = start_redis("store.conf")
    typed = "config set maxmemory 100mb\n\nconfig get maxmemory\nquit\nnot reached\n"
    ended = run("store", typed=typed, SYMBOLON_STORE_URL=server.url)
    assert ended.stdout.split() == ["OK", "maxmemory", str(100 * 1024 * 1024)]
    assert ended.returncode == 0


def test_an_error_is_shown_and_the_rest_still_runs(redis_store_url: str) -> None:
    ended = run("store", typed="nonsense\n'open\nping\n", SYMBOLON_STORE_URL=redis_store_url)
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("(error) ")
    assert "nonsense" in lines[0]
    assert lines[1] == "(error) No closing quotation"
    assert lines[2] == "PONG"
    assert ended.returncode == 1


def test_the_running_embedded_server_is_found(
    tmp_path: Path, start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    start_redis("store.conf", run_folder=tmp_path / "symbolon" / "run")
    ended = run("store", "config", "get", "maxmemory")
    assert ended.stdout.split() == ["maxmemory", str(500 * 1024 * 1024)]


@pytest.mark.parametrize("role", ["store", "cache"])
def test_without_a_running_server_the_message_says_how_to_start_one(
    tmp_path: Path, role: str
) -> None:
    ended = run(role, "ping", XDG_CACHE_HOME=str(tmp_path))
    assert ended.returncode == 1
    assert f"No embedded {role} is running" in ended.stderr
    assert f"SYMBOLON_{role.upper()}_URL" in ended.stderr


def test_an_unreachable_server_is_an_error_in_one_line(unused_port: int) -> None:
    url = f"redis://:secret@127.0.0.1:{unused_port}"
    ended = run("cache", "ping", SYMBOLON_CACHE_URL=url)
    assert ended.returncode == 1
    assert ended.stdout.startswith("(error) ")
    assert "secret" not in ended.stdout + ended.stderr


def test_an_invalid_url_is_reported_without_its_password() -> None:
    ended = run("cache", "ping", SYMBOLON_CACHE_URL="redis://:hunter/2@127.0.0.1")
    assert ended.returncode == 1
    assert ended.stderr.startswith("SYMBOLON_CACHE_URL: ")
    assert "hunter" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["redis-cli", "valkey-cli"])
@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("unix:///a/socket", "-s /a/socket -n 0 keys symbol:*"),
        ("redis://user:secret@host:7000/2", "--user user -h host -p 7000 -n 2 keys symbol:*"),
        ("rediss://:secret@host", "--tls -h host -p 6379 -n 0 keys symbol:*"),
        (
            "rediss://:secret@host?ssl_ca_certs=/ca&ssl_certfile=/crt&ssl_keyfile=/key",
            "--tls --cacert /ca --cert /crt --key /key -h host -p 6379 -n 0 keys symbol:*",
        ),
    ],
)
def test_a_program_on_the_path_gets_the_password_in_its_environment(
    tmp_path: Path, name: str, url: str, arguments: str
) -> None:
    program = tmp_path / name
    program.write_text(FAKE_CLI)
    program.chmod(0o755)
    ended = run("store", "keys", "symbol:*", SYMBOLON_STORE_URL=url, PATH=str(tmp_path))
    password = "secret" if "secret" in url else ""
    assert ended.stdout == f"arguments: {arguments}\npassword: {password}\n"


def test_replies_are_printed_one_value_a_line(redis_store_url: str) -> None:
    script = """return {1, {'\\255'}, false, {err = 'ERR nested'}}"""
    ended = run("store", "eval", script, "0", SYMBOLON_STORE_URL=redis_store_url)
    assert ended.stdout == "1\n\\xff\n\nnested\n"
