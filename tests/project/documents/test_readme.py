"""The examples of README.md and docs/, run as a reader would run them, answer what they show.

Each block marked `sh` or `python` is an example; a block marked `text` or `json` right after it
is its output. Blocks without a mark are for other machines than this one and are not run.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from google.protobuf import json_format

from symbolon.v1.symbolication_service_pb2 import SymbolicateResponse
from tests.fixtures.installing import INSTALL_SECONDS
from tests.others.installed import grpcurl_program

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
GUIDES = tuple(
    ROOT / "docs" / name
    for name in (
        "client.md",
        "command-line.md",
        "grpcurl.md",
        "operating.md",
        "other-languages.md",
        "pipeline.md",
        "troubleshooting.md",
    )
)
ADDRESS = "127.0.0.1:50051"
START = "make run"
MOST_WORDS = 900
PATIENCE_SECONDS = 90.0
STOP_SECONDS = 30.0

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

_CHANGING = (
    (re.compile(r"127\.0\.0\.1:\d+"), ADDRESS),
    (re.compile(r"(compiled|pure) modules"), "modules"),
    # The worker starts beside the server, and may be ready before it.
    (re.compile(r"^\S+ info worker_ready\n", re.MULTILINE), ""),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z| UTC)"), "<time>"),
    (re.compile(r"seconds(=|: )[\d.]+"), r"seconds\1<seconds>"),
    (re.compile(r"peak_mb=\d+"), "peak_mb=<MB>"),
    (re.compile(r"generation: (\d+)-[0-9a-f]{16}"), r"generation: \1-<random>"),
    # Not said of a module once an example has asked for it with its build id.
    (re.compile(r"; \S+: needs the build id [^,]+, which [\w ]+ have"), ""),
)
"""What is another one in each run."""


@dataclass(frozen=True, slots=True)
class Example:
    """One example and the output that is shown for it."""

    language: str
    text: str
    output_language: str
    output: str
    """Empty where none is shown."""

    @property
    def name(self) -> str:
        """The test's id: the first line."""
        return self.text.splitlines()[0].removesuffix("'{").strip()[:60]


def read_examples(document: Path) -> list[Example]:
    """The examples of a document, in its order."""
    blocks = list(_FENCE.finditer(document.read_text(encoding="utf-8")))
    found = []
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        language, text = block.groups()
        if language not in {"sh", "python"}:
            continue
        output = after.groups() if after is not None and after[1] in {"text", "json"} else ("", "")
        found.append(Example(language, text, *output))
    return found


EXAMPLES = read_examples(README)
FIGURES = ROOT / "tests/bench/README.md"
QUESTIONS = [
    pytest.param(example, id=f"{document.stem} {number}: {example.name}")
    for document in (README, *GUIDES)
    for number, example in enumerate(read_examples(document), 1)
    if example.text.strip() != START
]


def without_what_changes(text: str) -> list[str]:
    """The lines of an output, to be compared with those of another run."""
    for pattern, stand_in in _CHANGING:
        text = pattern.sub(stand_in, text)
    return [line.rstrip() for line in text.strip().splitlines()]


@dataclass(frozen=True, slots=True)
class Served:
    """A server started as the README says, and what that printed."""

    address: str
    shown: str


def read_until_serving(output: Iterator[str]) -> str:
    """Everything up to the line after the one that says where it serves."""
    seen = []
    for line in output:
        seen.append(line)
        if line.startswith("Serving on "):
            seen.append(next(output))
            break
    return "".join(seen)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`make run` on a free port, with home and folders of its own."""
    folder = tmp_path_factory.mktemp("readme")
    own = {
        "HOME": str(folder),
        "SYMBOLON_DATA_DIR": str(folder / "data"),
        "SYMBOLON_LISTEN": "127.0.0.1:0",
        "SYMBOLON_SPOOL_DIR": str(folder / "spool"),
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SYMBOLON_")}
    with subprocess.Popen(
        [*shlex.split(START), "--no-print-directory", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=kept | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        shown = read_until_serving(process.stdout)
        started = psutil.Process(process.pid).children(recursive=True)
        try:
            found = re.search(r"^Serving on (\S+)\. ", shown, re.MULTILINE)
            assert found, shown
            yield Served(found[1], shown)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            psutil.wait_procs(started, STOP_SECONDS)


def command_of(example: Example, served: Served) -> Sequence[str]:
    """The program that runs the example against the server that is there."""
    text = example.text.replace(ADDRESS, served.address)
    if example.language == "python":
        return [sys.executable, "-c", text]
    # The environment of the tests is the one that `make` made, wherever it lies.
    text = text.replace(".venv/bin/", f"{shlex.quote(str(Path(sys.executable).parent))}/")
    return ["sh", "-euc", text]


def test_the_readme_has_examples_of_each_kind() -> None:
    texts = [example.text for example in EXAMPLES]
    assert any(text.strip() == START for text in texts)
    for part in ("grpcurl ", "import symbolon", "symbolon symbolicate"):
        assert any(part in text for text in texts), part


def test_the_readme_is_read_in_three_minutes() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS


def test_the_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    rows = re.findall(r"^\| [^|]+ \| (\d[^|]*) \| (\d[^|]*) \|$", README.read_text(), re.MULTILINE)
    measured = set(re.findall(r"(?<=\| )[\d.,]+(?= \|)", FIGURES.read_text(encoding="utf-8")))
    figures = [cell.split()[0] for row in rows for cell in row]
    assert figures
    assert [figure for figure in figures if figure not in measured] == []


def test_make_run_prints_what_the_readme_shows(served: Served) -> None:
    (example,) = (one for one in EXAMPLES if one.text.strip() == START)
    # What make does to the environment before, it does once.
    first = served.shown.index("symbolon-server is ready")
    assert without_what_changes(served.shown[first:]) == without_what_changes(example.output)


def environment_for(example: Example) -> dict[str, str]:
    """Ours, with grpcurl where it is asked for."""
    if not example.text.startswith("grpcurl"):
        return dict(os.environ)
    folder = str(Path(grpcurl_program()).parent)
    return {**os.environ, "PATH": os.pathsep.join([folder, os.environ["PATH"]])}


@pytest.mark.installs
@pytest.mark.timeout(INSTALL_SECONDS + PATIENCE_SECONDS)
@pytest.mark.parametrize("example", QUESTIONS)
def test_an_example_answers_what_is_shown_for_it(example: Example, served: Served) -> None:
    command = command_of(example, served)
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment_for(example),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if example.output_language == "json":
        assert json.loads(done.stdout) == json.loads(example.output)
    elif example.output:
        assert without_what_changes(done.stdout) == without_what_changes(example.output)
    else:
        assert done.stdout


def test_buf_is_answered_as_grpcurl(served: Served) -> None:
    """Where grpcurl cannot be had, its examples are skipped; the two spell fields differently."""
    (asked,) = (one for one in EXAMPLES if one.text.startswith("grpcurl"))
    guide = read_examples(ROOT / "docs/grpcurl.md")
    (grpcurl,) = (one for one in guide if one.text == asked.text)
    (buf,) = (one for one in guide if "buf curl" in one.text)
    done = subprocess.run(command_of(buf, served), cwd=ROOT, check=True, stdout=subprocess.PIPE)
    answers = [
        json_format.Parse(text, SymbolicateResponse()) for text in (done.stdout, grpcurl.output)
    ]
    assert answers[0] == answers[1]
