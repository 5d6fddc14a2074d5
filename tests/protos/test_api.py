"""The API as a contract: buf's checks, and what callers and servers rely on."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from symbolon.v1 import (
    module_service_pb2,
    stack_pb2,
    store_service_pb2,
    symbolication_service_pb2,
)

PROTOS = Path(__file__).parent.parent.parent / "protos"

METHODS = {
    "SymbolicationService": ["Symbolicate", "SymbolicateStream"],
    "ModuleService": [
        "GetModule",
        "PrefetchModules",
        "InvalidateModules",
        "ListMissingModules",
        "GetQueue",
        "ExplainFrame",
    ],
    "StoreService": ["GetStoreInfo"],
}
FILES: list[FileDescriptor] = [
    symbolication_service_pb2.DESCRIPTOR,
    module_service_pb2.DESCRIPTOR,
    store_service_pb2.DESCRIPTOR,
]
OWN_FILES = [
    descriptor_pool.Default().FindFileByName(str(path.relative_to(PROTOS)))
    for path in sorted(PROTOS.rglob("*.proto"))
]
SERVICES = [service for file in FILES for service in file.services_by_name.values()]
ALL_METHODS = [method for service in SERVICES for method in service.methods]


def run_buf(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("buf")
    buf = str(beside) if beside.exists() else shutil.which("buf")
    assert buf is not None, "buf is in the environment that make builds"
    run = subprocess.run(
        [buf, *arguments], cwd=PROTOS, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_buf_lint_passes() -> None:
    run_buf("lint")


def test_the_protos_are_formatted() -> None:
    run_buf("format", "--diff", "--exit-code")


def test_the_reference_is_up_to_date() -> None:
    script = PROTOS.parent / "scripts/api_reference.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True, timeout=60)


def test_the_reference_links_only_to_what_it_has() -> None:
    text = (PROTOS.parent / "docs/api.md").read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^##+ (\S+)$", text, re.MULTILINE)}
    links = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(links) > len(ALL_METHODS)
    assert set(links) <= headings


@pytest.mark.parametrize("file", OWN_FILES, ids=lambda file: file.name)
def test_a_file_has_package_names_for_other_languages(file: FileDescriptor) -> None:
    options = file.GetOptions()
    assert options.csharp_namespace == "Symbolon.V1"
    assert options.go_package == "symbolon/v1;symbolonv1"
    assert (options.java_package, options.java_multiple_files) == ("com.symbolon.v1", True)
    assert options.objc_class_prefix == "SXX"


def test_every_service_has_its_file_and_its_methods() -> None:
    assert {
        service.name: [method.name for method in service.methods] for service in SERVICES
    } == METHODS
    assert all(len(file.services_by_name) == 1 for file in FILES)


@pytest.mark.parametrize("method", ALL_METHODS, ids=lambda method: method.name)
def test_every_call_documents_its_errors_and_whether_to_retry(
    method: MethodDescriptor,
) -> None:
    comment = read_comment(method)
    errors = re.findall(r"\* ([A-Z_]+): (.*?)(?=\n \*|\Z)", comment, re.DOTALL)
    codes = {code for code, _ in errors}
    assert {"UNAVAILABLE", "DEADLINE_EXCEEDED", "UNAUTHENTICATED", "INTERNAL"} <= codes
    silent = [code for code, text in errors if not re.search(r"\b[Rr]etry\b", text)]
    assert silent == []


def read_comment(method: MethodDescriptor) -> str:
    """Return the comment above a call, read from the file: generated code has none."""
    text = (PROTOS / method.containing_service.file.name).read_text(encoding="utf-8")
    above = text[: text.index(f"  rpc {method.name}(")].splitlines()
    lines = []
    while above and above[-1].startswith("  //"):
        lines.append(above.pop().removeprefix("  //").removeprefix(" "))
    return "\n".join(reversed(lines))


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        (
            stack_pb2.SymbolicatedFrame,
            {
                "module": 1,
                "module_offset": 2,
                "function": 3,
                "function_offset": 4,
                "file": 5,
                "line": 6,
                "inlines": 7,
                "outcome": 8,
                "is_multiple": 9,
                "function_size": 10,
                "linkage_name": 11,
            },
        ),
        (stack_pb2.InlineFrame, {"function": 1, "file": 2, "line": 3, "linkage_name": 4}),
        (stack_pb2.SymbolicatedStack, {"frames": 1}),
        (stack_pb2.Frame, {"module_index": 1, "module_offset": 2, "is_return_address": 3}),
        (
            symbolication_service_pb2.SymbolicateResponse,
            {"stacks": 1, "modules": 2, "diagnostics": 3},
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_numbers_that_answers_are_joined_from_stay(
    message: type[stack_pb2.Frame], numbers: dict[str, int]
) -> None:
    assert {field.name: field.number for field in message.DESCRIPTOR.fields} == numbers


def test_a_tag_of_an_answer_takes_one_byte() -> None:
    for message in symbolication_service_pb2.DESCRIPTOR.message_types_by_name.values():
        assert all(field.number <= 15 for field in message.fields)
