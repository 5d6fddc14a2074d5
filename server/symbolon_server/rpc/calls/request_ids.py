"""Names for single calls, to find them in the logs: the caller's own, or a new one."""

import re
import secrets
from collections.abc import Iterable
from typing import Final

import grpc

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata in which callers name a call, and in which a call that fails tells its name."""

_VALID: Final = re.compile(r"[0-9A-Za-z._:/+=@-]{1,128}")
"""What UUIDs, trace ids and hosts' own ids are made of, and no log can be forged with."""


def request_id_of(context: grpc.ServicerContext) -> str:
    """Return the name that the caller gave the call, or a new one where that is none."""
    return find_request_id(context.invocation_metadata()) or secrets.token_hex(8)


def find_request_id(metadata: Iterable[tuple[str, str | bytes]] | None) -> str | None:
    """Return the valid request id among `metadata`, if there is one."""
    for key, value in metadata or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and _VALID.fullmatch(value):
            return value
    return None
