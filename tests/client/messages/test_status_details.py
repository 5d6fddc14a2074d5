"""The details of errors, read without google.rpc and compared with what google.rpc writes."""

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped]  # the package has no py.typed
    code_pb2,
    error_details_pb2,
    status_pb2,
)

from symbolon import FieldViolation
from symbolon._calling.rpc_errors import StatusDetails, read_status_details


def make_status(*details: Message) -> bytes:
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="no")
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    serialized: bytes = status.SerializeToString()
    return serialized


def test_all_violations_and_the_delay_are_read() -> None:
    bad_request = error_details_pb2.BadRequest()
    bad_request.field_violations.add(field="modules[0].debug_id", description="nö" * 100)
    bad_request.field_violations.add(field="", description="")
    delay = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=250_000_000))
    unrelated = error_details_pb2.DebugInfo(detail="x" * 1000)
    assert read_status_details(make_status(unrelated, bad_request, delay)) == StatusDetails(
        (FieldViolation("modules[0].debug_id", "nö" * 100), FieldViolation("", "")), 2.25
    )


def test_fields_that_a_newer_server_adds_are_skipped() -> None:
    bad_request = error_details_pb2.BadRequest()
    bad_request.field_violations.add(field="f", description="d", reason="R")
    status = b"\x20\x05" + make_status(bad_request)  # field 4, a varint
    assert read_status_details(status).violations == (FieldViolation("f", "d"),)


def test_an_error_without_details_has_none() -> None:
    assert read_status_details(make_status()) == StatusDetails()
    assert read_status_details(b"") == StatusDetails()


@pytest.mark.parametrize("cut", range(1, 40))
def test_details_that_are_cut_off_are_no_error(cut: int) -> None:
    status = make_status(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2)))
    assert read_status_details(status[:-cut]).retry_after_seconds in (None, 2.0, 0)
