"""Looks up the pinned packages among the known vulnerabilities (osv.dev).

    scripts/audit.py [options of pip-audit]

Exit code 1 if one has any, or if nobody knows why they could not be looked up. Where the database
cannot be reached it says so, and that is no failure: a build must not need the network for it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "requirements-dev.lock"

_COMMAND = (
    *("-m", "pip_audit", "--requirement", str(LOCK), "--no-deps", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off", "--vulnerability-service", "osv"),
)
_UNREACHABLE = re.compile(r"ConnectionError|Timeout|ServiceError|Could not connect")
"""What the last line of pip-audit's errors says then; it has no exit code of its own for that."""


def main(options: list[str]) -> int:
    """Look them up and return the exit code."""
    done = subprocess.run(
        [sys.executable, *_COMMAND, *options], capture_output=True, text=True, check=False
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return _tell_of_failure(done.stderr)
    found = list(_find_vulnerabilities(packages))
    print("\n".join(found) or f"{len(packages)} packages have no known vulnerability.")
    return int(bool(found))


def _tell_of_failure(errors: str) -> int:
    last = (errors.strip().splitlines() or ["pip-audit says nothing"])[-1]
    if _UNREACHABLE.search(last):
        print("NOT AUDITED: the database of vulnerabilities (osv.dev) cannot be reached.")
        return 0
    print(f"pip-audit failed: {last}", file=sys.stderr)
    return 1


def _find_vulnerabilities(packages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each vulnerability, and for each package that was not looked up."""
    for package in packages:
        if "skip_reason" in package:
            yield f"{package['name']} was not looked up: {package['skip_reason']}"
        for vulnerability in package.get("vulns", ()):
            fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            named = f"{package['name']} {package['version']}"
            yield f"{named}: {vulnerability['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
