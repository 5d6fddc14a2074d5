"""Embedded Redis servers, started from `redis/*.conf` and terminated with this process."""

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import platformdirs
import redis

from symbolon_server.redis_servers import with_parent
from symbolon_server.redis_servers.server_programs import find_configuration, find_server_program
from symbolon_server.redis_servers.servers import connect

START_SECONDS = 60.0
"""Timeout for a server to become ready, most of it to load a large append-only file."""

STOP_SECONDS = 10.0
"""How long a server may take to stop before it is killed."""

_POLL_SECONDS = 0.01
_LOCK_SECONDS = 2.0
_QUOTED_LOG_LINES = 8
_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 108 on Linux and 104 on macOS, with the final NUL."""


class EmbeddedRedisError(Exception):
    """An embedded server did not start; the text says why, with the end of its log."""


@dataclass(frozen=True, slots=True)
class EmbeddedOptions:
    """Options of an embedded server, in addition to its configuration file."""

    data_folder: Path | None = None
    """Where the append-only file is kept; None: in the private folder, deleted at the end."""

    port: int | None = None
    """A TCP port on loopback in addition to the socket; None: the socket only."""

    run_folder: Path | None = None
    """Where to list the server's URL for command lines; None: nowhere."""

    overrides: Mapping[str, str] = field(default_factory=dict)
    """More configuration, such as `{"maxmemory": "100mb"}`; it takes precedence."""


class EmbeddedRedis:
    """A running Redis or Valkey server on a Unix socket in a private folder.

    It ends with `close`, and also when this process is killed. Start it from the main thread: the
    kernel terminates it with the thread that started it.
    """

    def __init__(
        self, url: str, process: "subprocess.Popen[bytes]", folder: Path, note: Path | None
    ) -> None:
        self.url = url
        self.folder = folder
        """Private to this user; removed at the end, or by a later server if this process is killed.
        A socket in it has a short enough path if its name is no longer than `socket`."""

        self._process = process
        self._note = note

    @classmethod
    def start(
        cls,
        configuration: str,
        options: EmbeddedOptions | None = None,
        program: Path | None = None,
    ) -> Self:
        """Start a server from `store.conf` or `cache.conf`; return when it answers.

        Raises `EmbeddedRedisError`, or `NoServerProgramError` if no server is installed.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start embedded servers from the main thread")
        options = options or EmbeddedOptions()
        _check_port_is_free(options.port)
        _remove_leftovers()
        with ExitStack() as on_failure:
            folder = _make_private_folder()
            on_failure.callback(shutil.rmtree, folder, ignore_errors=True)
            url = f"unix://{folder}/socket"
            with _lock(folder) as lock:  # held until the log of a server that ended is read
                process = _launch(
                    program or find_server_program(), configuration, folder, lock, options
                )
                on_failure.callback(_stop, process)
                _wait_until_ready(url, process, folder / "log")
            on_failure.pop_all()
        note = None
        if options.run_folder is not None:
            role = configuration.removesuffix(".conf")
            note = list_server(options.run_folder, role, process.pid, url)
        return cls(url, process, folder, note)

    @property
    def process_id(self) -> int:
        """The process id of the server."""
        return self._process.pid

    def is_running(self) -> bool:
        """Return whether the server's process is running."""
        return self._process.poll() is None

    def close(self) -> None:
        """Stop the server and remove its private folder; the data folder stays."""
        _stop(self._process)
        if self._note is not None:
            self._note.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_FOLDER_PREFIX = "symbolon-redis-"
_LOCK_NAME = "lock"


def _temporary_root() -> Path:
    """Return a parent for private folders in which a socket's path is short enough."""
    folder = Path(tempfile.gettempdir())
    longest = folder / f"{_FOLDER_PREFIX}12345678" / "socket"
    return folder if len(os.fsencode(longest)) <= _LONGEST_SOCKET_PATH else Path("/tmp")  # noqa: S108 - mkdtemp creates a private folder in it


def _make_private_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=_temporary_root()))


def _remove_leftovers() -> None:
    """Remove the private folders of servers whose parent was killed."""
    for folder in _temporary_root().glob(f"{_FOLDER_PREFIX}*"):
        with suppress(OSError):
            # Check the owner before opening: in another user's folder the lock may be a pipe.
            if folder.lstat().st_uid == os.getuid():
                _remove_if_unlocked(folder)


def _remove_if_unlocked(folder: Path) -> None:
    with (folder / _LOCK_NAME).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> IO[bytes]:
    """Return an open, locked file in `folder`; a child that inherits it holds the lock, too.

    It is renamed only when it is locked, so that no other process removes the folder.
    """
    unnamed = folder / f"{_LOCK_NAME}.{os.getpid()}"
    lock = unnamed.open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    unnamed.rename(folder / _LOCK_NAME)
    return lock


def _lock_data(folder: Path, clock: Callable[[], float] = time.monotonic) -> IO[bytes]:
    """Return a lock on a data folder: two servers would corrupt the append-only file.

    Wait a moment for a server whose parent was just killed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / _LOCK_NAME).open("ab")
    deadline = clock() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
        else:
            return lock
    lock.close()
    raise EmbeddedRedisError(
        f"{folder} is in use by another server: stop it, or use another folder"
    )


def _check_port_is_free(port: int | None) -> None:
    if port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmbeddedRedisError(f"cannot listen on port {port}: {error.strerror}") from None


def _launch(
    program: Path, configuration: str, folder: Path, lock: IO[bytes], options: EmbeddedOptions
) -> "subprocess.Popen[bytes]":
    """Start the server, which inherits the `lock` on its folder and takes one on its data."""
    text = _compose(configuration, folder, options)
    path = folder / "redis.conf"
    path.write_text(text, encoding="utf-8")
    with ExitStack() as locks, (folder / "log").open("wb") as log:
        held = [lock]
        if options.data_folder is not None:
            held.append(locks.enter_context(_lock_data(options.data_folder)))
        launcher = [sys.executable, "-I", "-S", with_parent.__file__, str(os.getpid())]
        # Its own session: Ctrl-C goes to our server, which stops its Redis last.
        return subprocess.Popen(  # noqa: S603 - our script and the program just found
            [*launcher, str(program), str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno() for lock in held],
            start_new_session=True,
        )


def _compose(configuration: str, folder: Path, options: EmbeddedOptions) -> str:
    """Return the text of the configuration file with the settings of this server."""
    own = {
        "port": str(options.port or 0),
        "bind": "127.0.0.1",
        "unixsocket": _quote(folder / "socket"),
        "unixsocketperm": "700",
        "dir": _quote((options.data_folder or folder).absolute()),
        "daemonize": "no",
    }
    lines = [f"{name} {value}" for name, value in (own | dict(options.overrides)).items()]
    return "\n".join([find_configuration(configuration).read_text(encoding="utf-8"), *lines, ""])


def _quote(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _wait_until_ready(
    url: str,
    process: "subprocess.Popen[bytes]",
    log: Path,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the server answers; raise `EmbeddedRedisError` if it ends or times out."""
    deadline = clock() + START_SECONDS
    with connect(url) as client:
        while process.poll() is None and clock() < deadline:
            try:
                client.ping()
            except redis.AuthenticationError:  # a password in the overrides: it answers
                return
            except redis.RedisError:  # not listening yet, or loading its file
                time.sleep(_POLL_SECONDS)
            else:
                return
    what = "did not answer in time" if process.poll() is None else "did not start"
    raise EmbeddedRedisError(f"the embedded Redis {what}; its log ends with:\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_QUOTED_LOG_LINES:])


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


_PROCESS_ID = re.compile(r"[1-9]\d{0,8}", re.ASCII)


def default_run_folder() -> Path:
    """Return the folder in which this user's running embedded servers are listed."""
    return platformdirs.user_cache_path("symbolon", appauthor=False) / "run"


def list_server(run_folder: Path, role: str, process_id: int, url: str) -> Path | None:
    """List a server that listens at `url`; return the file, or None if it cannot be written.

    With a read-only home directory the server runs, and only command lines do not find it.
    """
    note = run_folder / f"{role}-{process_id}.url"
    try:
        run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.write_text(url + "\n", encoding="utf-8")
    except OSError:
        return None
    return note


def find_listed_servers(run_folder: Path, role: str) -> list[str]:
    """Return the URLs of a role's running servers, the latest first.

    Files of servers that are gone (their parent was killed) are removed, maybe by several processes
    at the same time. Other files are ignored.
    """
    found: list[tuple[float, str]] = []
    for note in run_folder.glob(f"{role}-*.url"):
        with suppress(OSError):  # already removed, or not permitted
            if _is_alive(note, note.stem.removeprefix(f"{role}-")):
                found.append((note.stat().st_mtime, note.read_text(encoding="utf-8").strip()))
    return [url for _, url in sorted(found, reverse=True)]


def _is_alive(note: Path, number: str) -> bool:
    if not _PROCESS_ID.fullmatch(number):
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, PermissionError):  # or the id is another user's process by now
        note.unlink(missing_ok=True)
        return False
    return True
