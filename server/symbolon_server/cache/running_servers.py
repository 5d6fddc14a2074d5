"""Remembers where this user's embedded servers listen, so that a command line finds them."""

import os
from pathlib import Path

import platformdirs


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

    Notes of servers that are gone (their parent was killed) are removed on the way.
    """
    notes = sorted(
        run_folder.glob(f"{role}-*.url"), key=lambda note: note.stat().st_mtime, reverse=True
    )
    return [note.read_text(encoding="utf-8").strip() for note in notes if _is_alive(note)]


def _is_alive(note: Path) -> bool:
    try:
        os.kill(int(note.stem.rpartition("-")[2]), 0)
    except ProcessLookupError:
        note.unlink(missing_ok=True)
        return False
    except PermissionError:  # the number went to another user's process
        note.unlink(missing_ok=True)
        return False
    return True
