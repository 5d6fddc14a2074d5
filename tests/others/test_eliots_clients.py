"""Clients of Eliot's API against the gateway: each gives what it gives with Eliot."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import SAMPLE, wait_until
from tests.fixtures.installing import INSTALL_SECONDS
from tests.gateway.asking import ORCHARD, V5, post
from tests.gateway.conftest import gateway
from tests.others import installed
from tests.others.clients import HERE, run
from tests.others.eliots_answers import answer_as_eliot
from tests.others.sample_profile import make_profile

__all__ = ["gateway"]

pytestmark = [pytest.mark.installs, pytest.mark.timeout(INSTALL_SECONDS + 60)]

LIBC = ["libc.so.6", "EC61AC938E5A39B16F9FBD350E3169A50"]
"""It has no symbol file."""

BASES = 0x5555_0000_0000, 0x7FFF_0000_0000
CRASH = [(0, 4624), (0, 4555), (0, 4493), (0, 4210), (1, 160_329), (0, 4272)]
"""Module index and offset of each frame, innermost first."""

FRAMES = [
    "orchard::weight",
    "orchard::heavier",
    "orchard::heaviest",
    "orchard::grade",
    "price",
    "orchard::ship",
    "total",
    "(anonymous namespace)::work((anonymous namespace)::Day const&)",
    "main",
    "libc.so.6",
    "_start",
]
"""What siggen calls them, with inline frames."""


def trace(frames: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return the stack traces of a crash ping."""
    return {
        "crash_info": {"crashing_thread": 0, "type": "SIGSEGV"},
        "modules": [
            {"filename": name, "debug_file": name, "debug_id": debug_id, "base_addr": hex(base)}
            for (name, debug_id), base in zip((ORCHARD, LIBC), BASES, strict=True)
        ],
        "threads": [
            {
                "frames": [
                    {"module_index": index, "ip": hex(BASES[index] + offset), "trust": "cfi"}
                    for index, offset in frames
                ]
            }
        ],
    }


def ping(frames: Sequence[tuple[int, int]], system: str = "Linux") -> dict[str, Any]:
    return {"normalized_os": system, "payload": {"metadata": {}, "stack_traces": trace(frames)}}


@pytest.fixture(scope="module")
def answered(gateway: str) -> Any:
    """What fx-crash-sig and siggen give for all that is asked of them here."""
    crash = json.loads((SAMPLE / "crash.json").read_bytes())
    (result,) = post(gateway, V5, crash).content["results"]
    asked = {
        "url": f"http://{gateway}{V5}",
        "pings": [ping(CRASH), ping(CRASH, "Windows 10"), ping(CRASH[4:])],
        "traces": [[trace(CRASH), trace(CRASH[4:])], [trace(CRASH), {}]],
        "stacks": [*result["stacks"], *answer_as_eliot(crash["jobs"][0])],
    }
    command = [sys.executable, str(HERE / "crash_signatures.py"), json.dumps(asked)]
    done = run(command, PYTHONPATH=str(installed.signatures_folder()))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_fx_crash_sig_signs_a_crash(answered: Any) -> None:
    expected = {"signature": "orchard::weight", "frames": FRAMES, "notes": []}
    assert answered["pings"][:2] == [expected, expected]


def test_fx_crash_sig_signs_a_crash_in_a_module_without_symbols(answered: Any) -> None:
    assert answered["pings"][2] == {
        "signature": "libc.so.6 | _start",
        "frames": ["libc.so.6", "_start"],
        "notes": [],
    }


def test_fx_crash_sig_symbolicates_several_crashes_at_once(answered: Any) -> None:
    first, second = answered["traces"][0]
    ends = [
        {"frame": 0, "module": "libc.so.6", "module_offset": "0x27249"},
        {
            "frame": 1,
            "module": "orchard",
            "module_offset": "0x10b0",
            "function": "_start",
            "function_offset": "0x20",
        },
    ]
    assert second == {"crashing_thread": 0, "threads": [{"frames": ends}]}
    assert [frame["frame"] for frame in first["threads"][0]["frames"]] == [0, 1, 2, 3, 4, 5]


def test_a_crash_without_a_stack_fails_all_that_fx_crash_sig_sends_with_it(answered: Any) -> None:
    """It sends a job with an empty list of stacks, which Eliot refuses too."""
    assert answered["traces"][1] is None


def test_siggen_signs_the_frames_of_an_answer_as_it_does_those_of_eliots(answered: Any) -> None:
    ours, eliots = answered["stacks"]
    assert ours == eliots
    assert ours["signature"] == "orchard::weight"
    assert ours["frames"] == [*FRAMES[:-1], "libc.so.6", "_start"]


def test_an_answer_differs_from_eliots_in_the_sizes_of_functions_only(gateway: str) -> None:
    crash = json.loads((SAMPLE / "crash.json").read_bytes())
    (result,) = post(gateway, V5, crash).content["results"]
    frames = [frame for stack in result["stacks"] for frame in stack]
    sizes = [frame.pop("function_size", None) for frame in frames]
    assert any(sizes)
    assert result["stacks"] == answer_as_eliot(crash["jobs"][0])


SESSION = "orchard"
OLDEST_NODE = 20
"""The oldest major version that runs the profiler's command line."""


@contextmanager
def loaded(program: str, profile: Any, gateway: str, folder: Path) -> Iterator[str]:
    """Run the daemon that answers commands about a profile; yield its log.

    The command `load` starts it in this way, but gives up if it needs more than half a second.
    """
    (folder / "profile.json").write_text(json.dumps(profile), encoding="utf-8")
    log = folder / f"{SESSION}.log"
    daemon = subprocess.Popen(
        [
            *("node", program, "--daemon", str(folder / "profile.json"), "--session", SESSION),
            *("--symbol-server", f"http://{gateway}"),
        ],
        env={**os.environ, "PROFILER_CLI_SESSION_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
    )

    def is_loaded() -> bool:
        assert daemon.poll() is None
        return log.exists() and "Profile loaded" in log.read_text(encoding="utf-8")

    try:
        wait_until(is_loaded)
        yield log.read_text(encoding="utf-8")
    finally:
        daemon.kill()
        daemon.wait()


def test_profiler_cli_shows_functions_and_inline_frames(
    gateway: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    program = installed.profiler_program()
    version = run(["node", "--version"]).stdout
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"profiler-cli needs a newer node than {version}")
    profile = make_profile([ORCHARD, LIBC], [*reversed(CRASH)])
    folder = tmp_path_factory.mktemp("pq")  # short, as a path of a socket may have 108 bytes
    with loaded(program, profile, gateway, folder) as log:
        command = ["node", program, "thread", "functions", "--json", "--session", SESSION]
        done = run(command, PROFILER_CLI_SESSION_DIR=str(folder))
    assert "Symbolication complete" in log
    assert done.returncode == 0, done.stderr
    assert {one["nameWithLibrary"] for one in json.loads(done.stdout)["functions"]} == {
        "orchard!orchard::weight(orchard::Apple const*)",
        "orchard!orchard::heavier(orchard::Apple const*, int)",
        "orchard!orchard::heaviest(orchard::Apple const*)",
        "orchard!orchard::grade(orchard::Crate const&)",
        "orchard!price",
        "orchard!orchard::ship(orchard::Crate const*, int)",
        "orchard!total",
        "orchard!(anonymous namespace)::work((anonymous namespace)::Day const&)",
        "orchard!main",
        "orchard!_start",
        "libc.so.6!0x27249",
    }
