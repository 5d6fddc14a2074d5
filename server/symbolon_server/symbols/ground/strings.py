"""The names and paths of a symbol file, each kept once."""

NO_TEXT = 0
"""Number of the empty text in every pool."""


class StringPool:
    """Texts as UTF-8 bytes, numbered in the order they came, each once."""

    def __init__(self) -> None:
        """Make a pool that holds the empty text only."""
        self._numbers: dict[bytes, int] = {b"": NO_TEXT}
        self.texts: list[bytes] = [b""]

    def put(self, text: bytes) -> int:
        """Return the number of `text`; bytes that are not UTF-8 become U+FFFD."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text if text.isascii() else _as_utf8(text))
        return number


def _as_utf8(text: bytes) -> bytes:
    return text.decode(errors="replace").encode()
