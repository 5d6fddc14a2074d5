"""Linkage names in the answers of a module's variant.

Each name in such a page has its linkage name behind it, after `LINKAGE_MARK`, unless both are the
same. Pages know nothing of that; here the two become fields of their own.
"""

from dataclasses import replace
from typing import Final

from symbolon_server.symbols.ground.answers import LINKAGE_MARK, Answer, InlineAnswer
from symbolon_server.symbols.paging.api_frames import FrameField, InlineField
from symbolon_server.symbols.paging.wire import (
    LENGTH_DELIMITED,
    bytes_field,
    message_field,
    read_varint,
    tag,
)

_FUNCTION: Final = tag(FrameField.FUNCTION, LENGTH_DELIMITED)[0]
_INLINES: Final = tag(FrameField.INLINES, LENGTH_DELIMITED)[0]
_FUNCTION_OF_INLINE: Final = tag(InlineField.FUNCTION, LENGTH_DELIMITED)[0]
_WIRE_TYPE: Final = 7
_MARK: Final = LINKAGE_MARK.decode()


def divide_names(fields: bytes) -> bytes:
    """Return `api_frames.answer_fields` of a variant's page with linkage names as fields."""
    pieces = []
    for field, content, whole in _fields(fields):
        if field == _FUNCTION:
            pieces.append(_name_fields(FrameField.FUNCTION, FrameField.LINKAGE_NAME, content))
        elif field == _INLINES:
            pieces.append(message_field(FrameField.INLINES, _divide_inline(content)))
        else:
            pieces.append(whole)
    return b"".join(pieces)


def _divide_inline(fields: bytes) -> bytes:
    return b"".join(
        _name_fields(InlineField.FUNCTION, InlineField.LINKAGE_NAME, content)
        if field == _FUNCTION_OF_INLINE
        else whole
        for field, content, whole in _fields(fields)
    )


def _name_fields(function: int, linkage_name: int, text: bytes) -> bytes:
    shown, _, name = text.partition(LINKAGE_MARK)
    return bytes_field(function, shown) + bytes_field(linkage_name, name or shown)


def _fields(message: bytes) -> list[tuple[int, bytes, bytes]]:
    """Return the tag of each field, its content if that is not a number, and all of its bytes."""
    fields, at = [], 0
    while at < len(message):
        start, field = at, message[at]
        value, at = read_varint(message, at + 1)
        content = b""
        if field & _WIRE_TYPE == LENGTH_DELIMITED:
            content = message[at : at + value]
            at += value
        fields.append((field, content, message[start:at]))
    return fields


def divide_answer(answer: Answer) -> Answer:
    """Return an answer of a variant's page with its linkage names by themselves."""
    function, linkage_name = _divide(answer.function)
    inlines = tuple(map(_divide_inline_answer, answer.inlines))
    return replace(answer, function=function, linkage_name=linkage_name, inlines=inlines)


def _divide_inline_answer(inline: InlineAnswer) -> InlineAnswer:
    function, linkage_name = _divide(inline.function)
    return replace(inline, function=function, linkage_name=linkage_name)


def _divide(text: str) -> tuple[str, str]:
    shown, _, name = text.partition(_MARK)
    return shown, name or shown
