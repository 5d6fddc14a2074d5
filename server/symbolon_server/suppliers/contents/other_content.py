"""Says what a supplier has in the place of a symbol file."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n\0"


def describe_content(beginning: bytes) -> str:
    """Return in a few words what begins so; nothing of it is repeated."""
    text = beginning.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANK)
    if not text:
        return "nothing"
    if text.startswith(b"<"):
        return "an HTML or XML document"
    return "JSON" if text.startswith((b"{", b"[")) else "something else"
