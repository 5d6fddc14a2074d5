"""What is said of an input that is no report: what it is, and what is taken."""

RAW_LINE_FORM = "<debug file>/<DEBUG ID> <offset>"
RAW_LINE_EXAMPLE = "xul.pdb/44E4EC8C2F41492B9369D6B9A059577C2 0x1a2f"

TAKEN = (
    "Taken are crash reports in the JSON of Tecken's and Eliot's API, and lines of the form "
    f"{RAW_LINE_FORM}, such as: {RAW_LINE_EXAMPLE}"
)

_BEGINNINGS = {
    b"\x1f\x8b": "is gzip: unpack it first, `gzip -dc FILE | symbolon symbolicate -`",
    b"MDMP": (
        "is a minidump: its stacks must be walked first, as minidump-stackwalk does; what to ask "
        "are the module and the module offset of each frame"
    ),
}


def describe(data: bytes, error: Exception) -> str:
    """Return what is wrong with data that is not JSON, and what to give in its place."""
    for beginning, said in _BEGINNINGS.items():
        if data.startswith(beginning):
            return f"{said}. {TAKEN}"
    if not data.strip():
        return f"is empty. {TAKEN}"
    if data.lstrip()[:1] in {b"{", b"["}:  # it is meant to be
        return f"is not valid JSON: {error}"
    return f"is not JSON, nor a line with a module. {TAKEN}"
