"""Remembers where this user's embedded servers listen, so that a command line finds them."""

import os
import re
from contextlib import suppress
from pathlib import Path

import platformdirs

_PROCESS = re.compile(r"[1-9]\d{0,8}", re.ASCII)


def default_run_folder() -> Path:
    """Return the folder in which this user's running embedded servers are listed."""
    return platformdirs.user_cache_path("symbolon", appauthor=False) / "run"


def list_server(run_folder: Path, role: str, process_id: int, url: str) -> Path | None:
    """Write down that a server listens at `url`; return the note, None if it cannot be written.

    A read-only home is no reason not to serve: only the command line finds less then.
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

    Notes of servers that are gone (their parent was killed) are removed on the way; others may
    do so at the same time. What is not named as a note is left alone.
    """
    found: list[tuple[float, str]] = []
    for note in run_folder.glob(f"{role}-*.url"):
        with suppress(OSError):  # it is gone by now, or may not be read or removed
            if _is_alive(note, note.stem.removeprefix(f"{role}-")):
                found.append((note.stat().st_mtime, note.read_text(encoding="utf-8").strip()))
    return [url for _, url in sorted(found, reverse=True)]


def _is_alive(note: Path, number: str) -> bool:
    if not _PROCESS.fullmatch(number):
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, PermissionError):  # the number may have gone to another user's
        note.unlink(missing_ok=True)
        return False
    return True
