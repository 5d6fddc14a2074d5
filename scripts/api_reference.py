"""Write docs/api.md from the comments in protos/, or check that it is what would be written."""

import argparse
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
DOCUMENT = ROOT / "docs/api.md"
PACKAGE = "symbolon.v1"

FIRST = f"{PACKAGE.replace('.', '/')}/symbolication_service.proto"
"""What readers look for first; the others follow by name, those with services before others."""

HEAD = f"""# The API

Everything in the package `{PACKAGE}`, made from the comments in `protos/` by `make protos`.
Durations are `google.protobuf.Duration`, times `google.protobuf.Timestamp`. Health is
`grpc.health.v1`; reflection is there as `v1` and `v1alpha`.
"""

_MESSAGES, _ENUMS, _SERVICES, _FIELDS, _VALUES, _METHODS = 4, 5, 6, 2, 2, 2
"""Field numbers of descriptors, of which the paths of comments are made."""

_Field = FieldDescriptorProto


def main() -> int:
    """Return the exit code: 1 if `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    if not parser.parse_args().check:
        DOCUMENT.write_text(write_reference(), encoding="utf-8")
        return 0
    if DOCUMENT.read_text(encoding="utf-8") != write_reference():
        print("docs/api.md is not what protos/ says: run 'make protos'", file=sys.stderr)
        return 1
    return 0


def write_reference() -> str:
    """Return the text of the document."""
    files = sorted(read_files(), key=lambda file: (file.name != FIRST, not file.service, file.name))
    return "\n".join([HEAD, *(line for file in files for line in _File(file).lines())])


def read_files() -> Iterator[FileDescriptorProto]:
    """Yield our own files with their comments."""
    buf = str(Path(sys.executable).with_name("buf"))
    built = subprocess.run([buf, "build", "-o", "-"], cwd=PROTOS, check=True, capture_output=True)
    for file in descriptor_pb2.FileDescriptorSet.FromString(built.stdout).file:
        if file.package == PACKAGE:
            yield file


class _File:
    """One file as Markdown."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        self._comments = {
            tuple(location.path): location.leading_comments
            for location in file.source_code_info.location
        }

    def lines(self) -> Iterator[str]:
        for index, service in enumerate(self._file.service):
            yield from self._service(service, (_SERVICES, index))
        for index, message in enumerate(self._file.message_type):
            yield from self._message(message, (_MESSAGES, index))
        for index, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, (_ENUMS, index))

    def _service(self, service: ServiceDescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
        yield from (f"## {service.name}", "", self._text(path), "")
        for index, method in enumerate(service.method):
            asked = _linked(method.input_type, is_stream=method.client_streaming)
            answered = _linked(method.output_type, is_stream=method.server_streaming)
            yield from (f"### {service.name}.{method.name}", "", f"{asked} → {answered}", "")
            yield from (self._text((*path, _METHODS, index)), "")

    def _message(self, message: DescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
        yield from (f"### {message.name}", "", self._text(path), "")
        if message.field:
            yield from _table("field", "type")
        for index, field in enumerate(message.field):
            about = self._line((*path, _FIELDS, index))
            yield f"| `{field.name}` | {_type_of(field, message)} | {about} |"
        if message.field:
            yield ""

    def _enum(self, enum: EnumDescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
        yield from (f"### {enum.name}", "", self._text(path), "", *_table("value", "number"))
        for index, value in enumerate(enum.value):
            yield f"| `{value.name}` | {value.number} | {self._line((*path, _VALUES, index))} |"
        yield ""

    def _text(self, path: tuple[int, ...]) -> str:
        """Return a comment as it is written."""
        lines = self._comments[path].rstrip().split("\n")
        return "\n".join(line.removeprefix(" ") for line in lines)

    def _line(self, path: tuple[int, ...]) -> str:
        """Return a comment in one line, for a cell of a table."""
        return " ".join(self._comments[path].split()).replace("|", "\\|")


def _table(*columns: str) -> Iterable[str]:
    return (f"| {' | '.join(columns)} | |", "|---" * (len(columns) + 1) + "|")


def _linked(type_name: str, *, is_stream: bool) -> str:
    return ("stream of " if is_stream else "") + _link(type_name)


def _link(type_name: str) -> str:
    name = type_name.removeprefix(".")
    short = name.rpartition(".")[2]
    return f"[{short}](#{short.lower()})" if name.startswith(PACKAGE) else short


def _type_of(field: _Field, message: DescriptorProto) -> str:
    name = _Field.Type.Name(field.type).removeprefix("TYPE_").lower()
    if field.type_name:
        entries = {f".{PACKAGE}.{message.name}.{each.name}": each for each in message.nested_type}
        if field.type_name in entries:
            key, value = entries[field.type_name].field
            return f"map of {_type_of(key, message)} to {_type_of(value, message)}"
        name = _link(field.type_name)
    if field.label == _Field.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return name


if __name__ == "__main__":
    sys.exit(main())
