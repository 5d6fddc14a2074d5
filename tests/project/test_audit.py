"""`make audit`, with a database of vulnerabilities on this machine."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

VULNERABILITY = {
    "id": "PYSEC-2026-1",
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


class Database(ThreadingHTTPServer):
    """Answers as osv.dev does, with what is known of each package."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Query)
        self.known: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"


class _Query(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked.append(name)
        known = self.server.known.get(name)
        body = json.dumps({"vulns": known} if known else {}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as database:
        thread = threading.Thread(target=database.serve_forever, args=(0.01,))
        thread.start()
        yield database
        database.shutdown()
        thread.join()


def audit(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "scripts/audit.py", *options],
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_pinned_package_is_looked_up(database: Database, tmp_path: Path) -> None:
    done = audit(tmp_path, "--osv-url", database.url)
    pinned = (ROOT / "requirements-dev.lock").read_text().splitlines()[1:]
    assert (done.returncode, done.stdout) == (
        0,
        f"{len(pinned)} packages have no known vulnerability.\n",
    )
    assert len(database.asked) == len(set(database.asked)) == len(pinned)


@pytest.mark.promise("A known vulnerability of a pinned package is reported", group="access")
def test_a_vulnerability_fails_the_check_and_is_named(database: Database, tmp_path: Path) -> None:
    database.known["requests"] = [VULNERABILITY]
    done = audit(tmp_path, "--osv-url", database.url)
    assert done.returncode == 1
    assert done.stdout.startswith("requests ")
    assert done.stdout.endswith(": PYSEC-2026-1, fixed in 99.1\n")


def test_without_the_database_it_says_so_and_fails_nothing(
    database: Database, tmp_path: Path
) -> None:
    database.status = 503
    for url in ("http://127.0.0.1:1/v1/query", database.url):
        done = audit(tmp_path, "--osv-url", url)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("NOT AUDITED: ")


def test_a_failure_of_another_kind_is_a_failure(tmp_path: Path) -> None:
    done = audit(tmp_path, "--no-such-option")
    assert done.returncode == 1
    assert "pip-audit failed" in done.stderr
