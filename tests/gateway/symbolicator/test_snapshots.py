"""Symbolicator's own symbol files get the answers that its tests expect.

`SYMBOLON_SYMBOLICATOR` names a checkout of getsentry/symbolicator; nothing of it is copied here.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.conftest import environment_in, starting
from tests.gateway.asking import await_http
from tests.gateway.symbolicator.conftest import complete

CHECKOUT = os.environ.get("SYMBOLON_SYMBOLICATOR")

pytestmark = pytest.mark.skipif(
    CHECKOUT is None, reason="SYMBOLON_SYMBOLICATOR names no checkout of Symbolicator"
)

SNAPSHOTS = Path(CHECKOUT or "/", "crates/symbolicator-native/tests/integration/snapshots")
FIXTURES = Path(CHECKOUT or "/", "tests/fixtures/symbols")

SYMBOLICATED = {
    "symbolication__add_bucket-2": 1,
    "symbolication__wasm_payload": 1,
    "symbolication__source_candidates": 1,
    "process_minidump__minidump_linux": 0,
    "process_minidump__minidump_macos": 0,
    "process_minidump__minidump_windows": 2,
}
"""How many of their frames have a function, inline frames included."""

NOT_KNOWN = {"lang", "features", "candidates", "pre_context", "context_line", "post_context"}
"""What docs/migration.md says."""

OF_MODULES = (
    "type",
    "code_id",
    "code_file",
    "debug_id",
    "debug_file",
    "image_addr",
    "image_size",
)
OF_STACKS = ("thread_id", "thread_name", "is_requesting", "registers")
OF_FRAMES = ("instruction_addr", "addr_mode", "trust", "package")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("theirs")
    with starting(environment_in(folder), folder) as start_one:
        layouts = ("#layout=native", "#layout=symstore", "")
        program = start_one(
            "serve",
            *("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
            suppliers=",".join(f"{FIXTURES}{layout}" for layout in layouts),
        )
        yield await_http(program)


def read_snapshot(name: str) -> Any:
    _, _, document = (SNAPSHOTS / f"integration__{name}.snap").read_text().split("---\n", 2)
    return yaml.safe_load(document)


def pick(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


def without_unknown(document: Any) -> Any:
    if isinstance(document, list):
        return [without_unknown(one) for one in document]
    if not isinstance(document, dict):
        return document
    return {name: without_unknown(one) for name, one in document.items() if name not in NOT_KNOWN}


def list_frames(stack: Any) -> list[list[Any]]:
    """Return the frames of a stack, each with its inline frames."""
    by_index: dict[int, list[Any]] = {}
    for frame in stack["frames"]:
        by_index.setdefault(frame.pop("original_index"), []).append(frame)
    return list(by_index.values())


def ask_again(snapshot: Any) -> dict[str, Any]:
    """Return a request for what an answer has. Its addresses have been adjusted."""
    return {
        "modules": [pick(module, OF_MODULES) for module in snapshot["modules"]],
        "stacktraces": [
            {
                **pick(stack, OF_STACKS),
                "frames": [
                    {**pick(frames[0], OF_FRAMES), "adjust_instruction_addr": False}
                    for frames in list_frames({"frames": [dict(one) for one in stack["frames"]]})
                ],
            }
            for stack in snapshot["stacktraces"]
        ],
    }


@pytest.mark.parametrize("name", SYMBOLICATED)
def test_a_snapshot_is_answered_alike(theirs: str, name: str) -> None:
    snapshot = read_snapshot(name)
    answer = complete(theirs, ask_again(snapshot))
    for module in snapshot["modules"]:
        module.pop("unwind_status", None)
    assert without_unknown(answer["modules"]) == without_unknown(snapshot["modules"])
    symbolicated = 0
    stacks = zip(answer["stacktraces"], snapshot["stacktraces"], strict=True)
    for ours, other in stacks:
        assert pick(ours, OF_STACKS) == pick(other, OF_STACKS)
        for frame in ours["frames"]:
            symbolicated += frame["status"] == "symbolicated"
            del frame["adjust_instruction_addr"]
        assert without_unknown(list_frames(ours)) == without_unknown(list_frames(other))
    assert symbolicated == SYMBOLICATED[name]
