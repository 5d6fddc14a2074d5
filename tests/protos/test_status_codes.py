"""The codes of a stream's errors: those of gRPC, encoded as before they were an enum."""

from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc.code_pb2 import Code  # type: ignore[import-untyped] # no py.typed
from hypothesis import example, given
from hypothesis import strategies as st

from symbolon.v1.status_code_pb2 import StatusCode
from symbolon.v1.symbolication_service_pb2 import StreamError

_Field = descriptor_pb2.FieldDescriptorProto

INT32 = st.integers(-(2**31), 2**31 - 1)


def message_with_a_number() -> type[Any]:
    """`StreamError` with its `code` as an int32, as in older clients."""
    file = descriptor_pb2.FileDescriptorProto(name="older.proto", package="older", syntax="proto3")
    fields = [("code", _Field.TYPE_INT32), ("message", _Field.TYPE_STRING)]
    message = file.message_type.add(name="StreamError")
    for number, (name, kind) in enumerate(fields, start=1):
        message.field.add(name=name, number=number, type=kind, label=_Field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("older.StreamError"))


Older = message_with_a_number()


def test_the_codes_have_the_names_and_numbers_of_google_rpc() -> None:
    assert dict(StatusCode.items()) == {f"STATUS_CODE_{name}": code for name, code in Code.items()}


def test_the_codes_have_the_names_and_numbers_of_grpc() -> None:
    assert dict(StatusCode.items()) == {
        f"STATUS_CODE_{code.name}": code.value[0] for code in grpc.StatusCode
    }


@given(INT32)
@example(3)
@example(max(StatusCode.values()) + 1)
@example(-1)
def test_a_code_is_the_same_on_the_wire_as_its_number(number: int) -> None:
    new = StreamError(code=StatusCode.ValueType(number), message="full")
    old = Older(code=number, message="full")
    assert new.SerializeToString() == old.SerializeToString()
    assert Older.FromString(new.SerializeToString()).code == number
    assert StreamError.FromString(old.SerializeToString()).code == number


@given(INT32)
def test_an_unknown_code_survives_decoding_and_encoding(number: int) -> None:
    data = Older(code=number).SerializeToString()
    assert StreamError.FromString(data).SerializeToString() == data


@pytest.mark.parametrize("code", ["STATUS_CODE_INVALID_ARGUMENT", 3])
def test_json_takes_the_name_and_the_number(code: str | int) -> None:
    error = json_format.ParseDict({"code": code}, StreamError())
    assert error.code == StatusCode.STATUS_CODE_INVALID_ARGUMENT
    assert json_format.MessageToDict(error) == {"code": "STATUS_CODE_INVALID_ARGUMENT"}
