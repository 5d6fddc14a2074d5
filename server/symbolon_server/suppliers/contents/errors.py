"""What can go wrong between asking a supplier and having the text of a symbol file.

SupplierError
├── MissingSymbolFileError       a definite no
├── UnavailableSymbolFileError   no answer; a later attempt may get one
│   └── FailingSupplierError     nor would there be one for any other symbol file
└── BrokenSymbolFileError        an answer that is no symbol file
    └── CutSymbolFileError       compressed bytes that end too early

Their text is one line for a person. It names at most a host and what happened: never a
URL, a query, a credential or the text of an exception, which may hold any of them.
"""


class SupplierError(Exception):
    """A supplier did not yield a symbol file; the text is one line for a person."""


class MissingSymbolFileError(SupplierError):
    """The supplier is well and does not have the symbol file."""


class UnavailableSymbolFileError(SupplierError):
    """The supplier could not say whether it has the symbol file, or not send all of it."""

    def __init__(self, detail: str, retry_after_seconds: float | None = None) -> None:
        """Say what happened, and when to try again where the supplier told."""
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class FailingSupplierError(UnavailableSymbolFileError):
    """The supplier does not answer properly, whatever it is asked for."""


class BrokenSymbolFileError(SupplierError):
    """What the supplier has cannot be unpacked, is too large, or is no symbol file."""


class CutSymbolFileError(BrokenSymbolFileError):
    """Compressed bytes that end in the middle."""
