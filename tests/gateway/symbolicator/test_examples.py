"""Requests that Symbolicator's documentation and tests show get its answers, field for field.

They differ where docs/migration.md says: unwind information and languages are not known.
"""

from typing import Any

import pytest

from tests.gateway.asking import get, post
from tests.gateway.symbolicator.conftest import PATH, complete

FEATURES = {
    "has_debug_info": True,
    "has_unwind_info": False,
    "has_symbols": True,
    "has_sources": False,
}
NO_FEATURES = dict.fromkeys(FEATURES, False)

KERNEL = {
    "type": "pe",
    "debug_id": "ff9f9f78-41db-88f0-cded-a9e1e9bff3b5-1",
    "code_file": "C:\\Windows\\System32\\kernel32.dll",
    "debug_file": "C:\\Windows\\System32\\wkernel32.pdb",
    "image_addr": "0x749d0000",
    "image_size": 851968,
}
CRASH = {
    **KERNEL,
    "debug_id": "3249d99d-0c40-4931-8610-f4e4fb0b6936-1",
    "debug_file": "C:\\Windows\\System32\\crash.pdb",
}
UNKNOWN = {**KERNEL, "debug_id": "ff9f9f78-41db-88f0-cded-a9e1e9bff3b6-1"}
HELLO = {
    "type": "macho",
    "debug_id": "502fc0a5-1ec1-3e47-9998-684fa139dca7",
    "code_id": "502fc0a51ec13e479998684fa139dca7",
    "debug_file": "hello",
    "image_addr": "0x100000000",
    "image_size": 4096,
}


def ask_about(module: dict[str, Any], address: str, **others: Any) -> dict[str, Any]:
    frames = [{"instruction_addr": address}]
    stack = {"registers": {"eip": "0x0000000001509530"}, "frames": frames}
    return {"stacktraces": [stack], "modules": [module], "sources": [], **others}


def test_a_symbol_is_found_without_candidates(stacks: str) -> None:
    assert complete(stacks, ask_about(CRASH, "0x749d37f2")) == {
        "status": "completed",
        "stacktraces": [
            {
                "registers": {"eip": "0x1509530"},
                "frames": [
                    {
                        "status": "symbolicated",
                        "original_index": 0,
                        "instruction_addr": "0x749d37f2",
                        "package": "C:\\Windows\\System32\\kernel32.dll",
                        "symbol": "memcpy",
                        "sym_addr": "0x749d37f2",
                        "function": "memcpy",
                        "lineno": 0,
                    }
                ],
            }
        ],
        "modules": [{"debug_status": "found", "features": FEATURES, "arch": "x86", **CRASH}],
    }


def test_a_missing_module_is_told_with_its_candidates(stacks: str) -> None:
    source = {
        "type": "http",
        "id": "unknown",
        "layout": {"type": "symstore"},
        "filters": {"filetypes": ["mach_code"]},
        "url": "http://notfound",
        "name": "not a known field",
    }
    options = {"dif_candidates": True}
    request = ask_about(UNKNOWN, "0x749e8630", sources=[source], options=options)
    answer = complete(stacks, request)
    candidates = answer["modules"][0].pop("candidates")
    assert answer == {
        "status": "completed",
        "stacktraces": [
            {
                "registers": {"eip": "0x1509530"},
                "frames": [
                    {
                        "status": "missing",
                        "original_index": 0,
                        "instruction_addr": "0x749e8630",
                        "package": "C:\\Windows\\System32\\kernel32.dll",
                    }
                ],
            }
        ],
        "modules": [
            {"debug_status": "missing", "features": NO_FEATURES, "arch": "unknown", **UNKNOWN}
        ],
    }
    assert {candidate["download"]["status"] for candidate in candidates} == {"notfound"}
    paths = [candidate["location"] for candidate in candidates]
    assert "wkernel32.pdb/FF9F9F7841DB88F0CDEDA9E1E9BFF3B61/wkernel32.sym" in paths
    assert not any("notfound" in candidate["source"] for candidate in candidates)


def test_a_pending_request_is_polled_until_it_is_completed(stacks: str) -> None:
    request = ask_about(KERNEL, "0x749e8630", options={"dif_candidates": True})
    answer = post(stacks, f"{PATH}?timeout=0&scope=12", request).content
    assert set(answer) == {"status", "request_id", "retry_after"}
    assert (answer["status"], answer["retry_after"] >= 1) == ("pending", True)
    held = f"/requests/{answer['request_id']}"
    polled = get(stacks, held).content
    assert polled["status"] == "completed"
    assert polled["stacktraces"][0]["frames"] == [
        {
            "status": "symbolicated",
            "original_index": 0,
            "instruction_addr": "0x749e8630",
            "package": "C:\\Windows\\System32\\kernel32.dll",
            "symbol": "BaseThreadInitThunk",
            "sym_addr": "0x749e8630",
            "function": "BaseThreadInitThunk",
            "lineno": 0,
        }
    ]
    candidates = polled["modules"][0].pop("candidates")
    assert [one for one in candidates if one["download"]["status"] == "ok"] == [
        {
            "source": candidates[0]["source"],
            "location": "wkernel32.pdb/FF9F9F7841DB88F0CDEDA9E1E9BFF3B51/wkernel32.sym",
            "download": {"status": "ok", "features": FEATURES},
            "debug": {"status": "ok"},
        }
    ]
    assert polled["modules"] == [
        {"debug_status": "found", "features": FEATURES, "arch": "x86", **KERNEL}
    ]
    again = get(stacks, f"{held}?timeout=1").content
    assert again["stacktraces"] == polled["stacktraces"]


def test_a_function_is_found_with_its_source_line(stacks: str) -> None:
    stack = {"frames": [{"instruction_addr": "0x100000fa0"}]}
    answer = complete(stacks, {"stacktraces": [stack], "modules": [HELLO]})
    assert answer["stacktraces"] == [
        {
            "frames": [
                {
                    "status": "symbolicated",
                    "original_index": 0,
                    "instruction_addr": "0x100000fa0",
                    "symbol": "main",
                    "sym_addr": "0x100000fa0",
                    "function": "main",
                    "filename": "hello.c",
                    "abs_path": "/tmp/hello.c",  # noqa: S108 # the compiler's
                    "lineno": 1,
                }
            ]
        }
    ]
    assert answer["modules"] == [
        {"debug_status": "found", "features": FEATURES, "arch": "x86_64", **HELLO}
    ]


def test_a_module_that_has_only_ids_is_found_where_they_suffice(stacks: str) -> None:
    uuid = "4c4c447b-5555-3144-a17a-e11b7d512ed8"
    module = {"type": "macho", "debug_id": uuid, "code_id": uuid, "image_addr": "0x100000000"}
    frame = {"instruction_addr": "0x1000", "addr_mode": "rel:0"}
    answer = complete(stacks, {"stacktraces": [{"frames": [frame]}], "modules": [module]})
    assert answer["modules"][0]["debug_status"] == "found"
    assert answer["modules"][0]["code_id"] == uuid.replace("-", "")


def test_webassembly_keeps_relative_addresses(stacks: str) -> None:
    module = {
        "type": "wasm",
        "debug_id": "106d696c-6c20-696e-2077-61736d000102",
        "code_id": "106d696c6c20696e207761736d00010203",
        "debug_file": "file://foo.invalid/demo.wasm",
    }
    frame = {"instruction_addr": "0x500", "addr_mode": "rel:0"}
    answer = complete(stacks, {"stacktraces": [{"frames": [frame]}], "modules": [module]})
    ((written, *_),) = (stack["frames"] for stack in answer["stacktraces"])
    assert written["status"] == "symbolicated"
    assert (written["addr_mode"], written["instruction_addr"]) == ("rel:0", "0x500")
    assert answer["modules"][0]["image_addr"] == "0x0"
    assert "image_size" not in answer["modules"][0]
    assert answer["modules"][0]["arch"] == "wasm32"


@pytest.mark.parametrize("signal", [None, 11])
def test_the_example_of_the_documentation_has_its_form(stacks: str, signal: int | None) -> None:
    """Symbolicator reads `stacktraces`; only its documentation calls them threads."""
    frame = {"instruction_addr": "0xbeef", "addr_mode": "rel:0"}
    registers = {"rip": "0xfeedbeef", "rsp": "0xfeedface"}
    module = {
        "type": "macho",
        "debug_id": "some-debug-id",
        "code_id": "some-debug-id",
        "debug_file": "/path/to/image.so",
        "image_addr": "0xfeedbeef",
        "image_size": 0xBEEF,
    }
    request = {
        "platform": "native",
        "signal": signal,
        "sources": [{"id": "<uuid>", "type": "http"}],
        "stacktraces": [{"frames": [frame], "registers": registers}],
        "threads": [],
        "modules": [module],
        "options": {
            "dif_candidates": False,
            "apply_source_context": True,
            "frame_order": "caller_first",
        },
        "scraping": {"enabled": True, "allowed_origins": ["*"], "headers": {"X": "secret"}},
    }
    assert complete(stacks, request, "?timeout=123&scope=123") == {
        "status": "completed",
        **({} if signal is None else {"signal": signal}),
        "stacktraces": [
            {
                "registers": registers,
                "frames": [
                    {
                        "status": "missing",
                        "original_index": 0,
                        "addr_mode": "rel:0",
                        "instruction_addr": "0xbeef",
                    }
                ],
            }
        ],
        "modules": [
            {
                "debug_status": "missing",
                "features": NO_FEATURES,
                "arch": "unknown",
                "type": "macho",
                "code_id": "edebd",
                "debug_file": "/path/to/image.so",
                "image_addr": "0xfeedbeef",
                "image_size": 0xBEEF,
            }
        ],
    }
