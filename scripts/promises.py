"""Write docs/promises.md from the markers `promise` of the tests, or check that it is up to date.

    @pytest.mark.promise("Any damage of a page is detected", group="pages")

Several tests may keep one promise; one of them names its group, unless that is `FAULTS`. The tests
are parsed, not imported.
"""

import argparse
import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/promises.md"

FAULTS = "faults"
GROUPS = {
    "answers": "Right answers",
    FAULTS: "Faults and outages",
    "pages": "Lost and damaged pages",
    "ingests": "Ingests and their queue",
    "suppliers": "Failing suppliers",
    "limits": "Load and hostile input",
    "access": "Who is kept out",
}
"""The titles of the groups, in the order of the document."""

HEAD = """# Promises

What Symbolon promises under faults, load and hostile input, and the tests that keep each promise.
`make reference` writes this list from the markers `promise` of the tests.
"""

_MARKER = "pytest.mark.promise"


class MisusedMarkerError(Exception):
    """A marker that says no promise; the text says where and why."""


@dataclass(frozen=True, slots=True)
class KeptPromise:
    """One marker: a promise and a test that keeps it."""

    sentence: str
    group: str | None
    file: str
    """Path from the root of the repository."""

    test: str
    """Name of the test as pytest has it, behind that of its class."""


def main() -> int:
    """Return the exit code: 1 if `--check` finds a difference or a marker says no promise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    check = parser.parse_args().check
    try:
        text = write_document(read_promises(ROOT))
    except MisusedMarkerError as error:
        print(error, file=sys.stderr)
        return 1
    if not check:
        DOCUMENT.write_text(text, encoding="utf-8")
    elif not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != text:
        print("docs/promises.md is not what the tests say: run 'make reference'", file=sys.stderr)
        return 1
    return 0


def read_promises(root: Path) -> list[KeptPromise]:
    """Return the markers below `root`/tests, by file and line; raise `MisusedMarkerError`."""
    files = sorted((root / "tests").rglob("test_*.py"))
    return list(chain.from_iterable(_read_file(file, root) for file in files))


def write_document(promises: Iterable[KeptPromise]) -> str:
    """Return the text of the document; raise `MisusedMarkerError` for a promise of two groups."""
    kept: defaultdict[str, list[KeptPromise]] = defaultdict(list)
    for promise in promises:
        kept[promise.sentence].append(promise)
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for sentence in sorted(kept):
        tests = "<br>".join(
            f"[{each.file}::{each.test}](../{each.file})" for each in kept[sentence]
        )
        lines[_group_of(kept[sentence])].append(f"| {sentence} | {tests} |\n")
    tables = (
        f"## {title}\n\n| promise | tests |\n|---|---|\n{''.join(lines[group])}"
        for group, title in GROUPS.items()
        if lines[group]
    )
    return "\n".join([HEAD, *tables])


def _group_of(kept: Iterable[KeptPromise]) -> str:
    named = {each.group: each for each in kept if each.group is not None}
    if len(named) > 1:
        places = ", ".join(sorted(f"{each.file}::{each.test}" for each in named.values()))
        raise MisusedMarkerError(f"one promise in two groups: {places}")
    return next(iter(named), FAULTS)


def _read_file(file: Path, root: Path) -> Iterator[KeptPromise]:
    text = file.read_text(encoding="utf-8")
    if _MARKER not in text:  # as in most files, which need not be parsed
        return
    for test, decorators in _tests_in(ast.parse(text).body):
        for marker in filter(_is_marker, decorators):
            yield _read_marker(marker, file.relative_to(root).as_posix(), test)


def _tests_in(body: Iterable[ast.stmt], prefix: str = "") -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield the names of functions, those of a class behind its name, with their decorators."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _tests_in(node.body, f"{prefix}{node.name}::")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node.decorator_list


def _is_marker(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called) == _MARKER


def _read_marker(marker: ast.expr, file: str, test: str) -> KeptPromise:
    match marker:
        case ast.Call(args=[ast.Constant(str(sentence))], keywords=[]):
            return KeptPromise(sentence, None, file, test)
        case ast.Call(
            args=[ast.Constant(str(sentence))],
            keywords=[ast.keyword("group", ast.Constant(str(group)))],
        ) if group in GROUPS:
            return KeptPromise(sentence, group, file, test)
    raise MisusedMarkerError(
        f'{file}:{marker.lineno}: write @{_MARKER}("A sentence", group="{FAULTS}") with one of '
        f"{', '.join(GROUPS)}"
    )


if __name__ == "__main__":
    sys.exit(main())
