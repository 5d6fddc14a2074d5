"""How each third-party client is made to call a method, and how its output is read."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import grpc
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped] # no py.typed
    BadRequest,
)

from tests.fixtures.certificates import Certificate
from tests.others import installed

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROTOS = HERE / "protos"
"""Descriptions of standard services that the server offers too."""

PATIENCE_SECONDS = 60.0
CODES = {code.name.lower(): code.value[0] for code in grpc.StatusCode} | {"canceled": 1}
"""By buf's names, one of which is spelt differently."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a client needs to call a server with TLS."""

    ca: Path
    """CA certificate."""
    certificate: Certificate | None
    """Client certificate and key."""
    token: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """One call, for any client."""

    address: str
    method: str
    """Such as `grpc.health.v1.Health/Check`."""
    messages: Sequence[Mapping[str, Any]]
    access: Access | None = None
    """`None` for plaintext."""
    seconds: float = 30.0
    """Its deadline."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client reports of one call."""

    answers: list[Any]
    code: int
    fields: list[str] = field(default_factory=list)
    """The fields of a BadRequest in the details."""


Client = Callable[[Question], Outcome]


def run(command: Sequence[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a client until it exits."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def as_json(question: Question, **more: str | bool) -> str:
    """Return the argument of our own programs, which use a client library."""
    return json.dumps(
        {
            "address": question.address,
            "method": question.method,
            "messages": question.messages,
            "access": access_in_json(question.access),
            "seconds": question.seconds,
            **more,
        }
    )


def access_in_json(access: Access | None) -> dict[str, str | None] | None:
    if access is None:
        return None
    own = access.certificate
    return {
        "ca": str(access.ca),
        "certificate": str(own.chain) if own else None,
        "key": str(own.key) if own else None,
        "token": access.token,
    }


def said_in_json(done: subprocess.CompletedProcess[str]) -> Outcome:
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout))


def ask_grpc_js(question: Question, *, is_reflected: bool = False) -> Outcome:
    folder = installed.node_folder()
    argument = as_json(
        question,
        is_reflected=is_reflected,
        protos=str(ROOT / "protos"),
        own_protos=str(PROTOS),
        common_protos=str(resources.files("google.rpc").joinpath("../..")),
    )
    command = ["node", str(installed.NODE / "call.mjs"), argument]
    return said_in_json(run(command, OTHERS_NODE_FOLDER=str(folder)))


def ask_grpc_js_by_reflection(question: Question) -> Outcome:
    return ask_grpc_js(question, is_reflected=True)


def ask_grpclib(question: Question) -> Outcome:
    paths = [str(installed.grpclib_folder()), str(ROOT / "client")]
    command = [sys.executable, str(HERE / "grpclib_call.py"), as_json(question)]
    return said_in_json(run(command, PYTHONPATH=os.pathsep.join(paths)))


def ask_go(question: Question) -> Outcome:
    return said_in_json(run([str(installed.go_programs() / "client"), as_json(question)]))


def ask_grpcurl(question: Question) -> Outcome:
    access = access_flags("-", question.access) if question.access else ["-plaintext"]
    done = run(
        [
            installed.grpcurl_program(),
            *access,
            "-format-error",
            *("-max-time", str(question.seconds)),
            *("-d", "\n".join(map(json.dumps, question.messages))),
            question.address,
            question.method,
        ]
    )
    return Outcome(values_in(done.stdout), *error_of_grpcurl(done))


def access_flags(dash: str, access: Access) -> list[str]:
    """Return the same as flags of grpcurl and buf."""
    flags = [f"{dash}cacert", str(access.ca)]
    if access.certificate:
        own = access.certificate
        flags += [f"{dash}cert", str(own.chain), f"{dash}key", str(own.key)]
    if access.token:
        flags += ["-H", f"authorization: Bearer {access.token}"]
    return flags


def error_of_grpcurl(done: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """Its exit code is 64 plus the status code, or another if it made no call."""
    if done.returncode == 0:
        return 0, []
    if done.returncode <= 64:
        return code_of_prose(done.stderr), []
    details = json.loads(done.stderr).get("details", [])
    violations = [one for detail in details for one in detail.get("field_violations", [])]
    return done.returncode - 64, [one["field"] for one in violations]


def ask_buf(question: Question, *, is_reflected: bool = False) -> Outcome:
    schema = ["--schema", str(ROOT / "protos"), "--schema", str(PROTOS)]
    if is_reflected:
        schema = ["--reflect-header", "*"]
    access = ["--http2-prior-knowledge"]
    if question.access:
        access = access_flags("--", question.access)
    done = run(
        [
            *(installed.buf_program(), "curl", "--protocol", "grpc", *schema, *access),
            *("--timeout", f"{question.seconds}s"),
            *("--data", "\n".join(map(json.dumps, question.messages))),
            f"{'https' if question.access else 'http'}://{question.address}/{question.method}",
        ]
    )
    return Outcome(values_in(done.stdout), *error_of_buf(done))


def ask_buf_by_reflection(question: Question) -> Outcome:
    return ask_buf(question, is_reflected=True)


def error_of_buf(done: subprocess.CompletedProcess[str]) -> tuple[int, list[str]]:
    """An error of the call is JSON on standard error, other errors are text."""
    if done.returncode == 0:
        return 0, []
    start = done.stderr.find("{")
    if start < 0:
        return code_of_prose(done.stderr), []
    error = json.loads(done.stderr[start:])
    return CODES[error["code"]], [
        violation.field
        for detail in error.get("details", [])
        if detail["type"] == BadRequest.DESCRIPTOR.full_name
        for violation in BadRequest.FromString(unpadded(detail["value"])).field_violations
    ]


def code_of_prose(text: str) -> int:
    """Return the status for an error before any call: a deadline, or no connection."""
    return CODES["deadline_exceeded" if "deadline exceeded" in text else "unavailable"]


def unpadded(text: str) -> bytes:
    """Decode base64 without padding."""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def values_in(text: str) -> list[Any]:
    """Return the JSON values that follow one another in a text."""
    decoder, values, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.append(value)
        rest = rest[end:].lstrip()
    return values


CLIENTS: dict[str, Client] = {
    "grpc-js": ask_grpc_js,
    "grpc-js by reflection": ask_grpc_js_by_reflection,
    "go": ask_go,
    "grpclib": ask_grpclib,
    "grpcurl": ask_grpcurl,
    "buf": ask_buf,
    "buf by reflection": ask_buf_by_reflection,
}
