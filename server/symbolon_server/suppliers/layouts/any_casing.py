"""Opens a file below a folder whose path may be spelt in any case."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ParamSpec, TypeVar

from symbolon_server.suppliers.contents.errors import (
    MissingSymbolFileError,
    UnavailableSymbolFileError,
)
from symbolon_server.suppliers.contents.files import (
    ABSENT,
    OpenedFile,
    describe_error,
    open_inside,
    resolve_inside,
)
from symbolon_server.suppliers.layouts.listings import Listings

MAX_SPELLINGS = 8
"""Names of one folder that differ in case alone and are tried, in alphabetical order."""

P = ParamSpec("P")
T = TypeVar("T")


def open_in_any_case(root: Path, parts: Sequence[str], listings: Listings) -> OpenedFile:
    """Open the first file below `root` at the path of these parts, the path as it is first.

    All spellings are tried until one can be opened. If none can, raises
    `UnavailableSymbolFileError` if any failed, else `MissingSymbolFileError`.
    """
    search = _Search(root, listings)
    for path in chain([root.joinpath(*parts)], search.spellings(root, parts)):
        opened = search.attempt(open_inside, root, path)
        if opened is not None:
            return opened
    raise search.failure or MissingSymbolFileError("has no such file")


class _Search:
    """One search; keeps the first failure, which is not the end of it."""

    def __init__(self, root: Path, listings: Listings) -> None:
        self._root = root
        self._listings = listings
        self.failure: UnavailableSymbolFileError | None = None

    def spellings(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        """Yield the paths below `folder` that differ in case at most."""
        if not parts:
            yield folder
            return
        names = self.attempt(self._find, folder, parts[0]) or []
        for name in names[:MAX_SPELLINGS]:
            yield from self.spellings(folder / name, parts[1:])

    def _find(self, folder: Path, name: str) -> list[str]:
        return self._listings.find(resolve_inside(self._root, folder), name)

    def attempt(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | None:
        """Return what comes of `work`; None if something is absent, or failed."""
        try:
            return work(*arguments, **named)
        except MissingSymbolFileError:
            return None
        except UnavailableSymbolFileError as error:
            self.failure = self.failure or error
        except OSError as error:
            if error.errno not in ABSENT:
                self.failure = self.failure or UnavailableSymbolFileError(describe_error(error))
        return None
