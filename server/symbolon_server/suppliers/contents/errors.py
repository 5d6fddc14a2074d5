"""Errors between the request to a supplier and the text of a symbol file.

SupplierError
├── MissingSymbolFileError       a definite no
├── UnavailableSymbolFileError   no answer; a later attempt may get one
│   └── FailingSupplierError     requests for any other symbol file would fail, too
└── BrokenSymbolFileError        an answer that is not a symbol file
    └── CutSymbolFileError       truncated compressed data

Their text is one line for humans. It names at most a host and what happened: never a URL, a query,
a credential or the text of an exception, which may contain any of these.
"""

from typing import Final

ABSENT: Final = "has no such file"
"""The text of a `MissingSymbolFileError` that needs no further explanation."""


class SupplierError(Exception):
    """A supplier did not return a symbol file; the text is one line for humans."""


class MissingSymbolFileError(SupplierError):
    """The supplier works and does not have the symbol file."""

    def __init__(self, detail: str = ABSENT) -> None:
        """Say more in `detail` if that helps."""
        super().__init__(detail)


class UnavailableSymbolFileError(SupplierError):
    """The supplier could not say whether it has the symbol file, or could not send all of it."""

    def __init__(self, detail: str, retry_after_seconds: float | None = None) -> None:
        """Say what happened, and when to retry if the supplier said so."""
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class FailingSupplierError(UnavailableSymbolFileError):
    """The supplier does not answer properly, whatever file is requested."""


class BrokenSymbolFileError(SupplierError):
    """The file cannot be unpacked, is too large, or is not a symbol file."""


class CutSymbolFileError(BrokenSymbolFileError):
    """Compressed data is truncated."""
