"""What can happen to the files of a spool."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final


def cut(path: Path, random: Random) -> None:
    """Cut it in place, which a server may be reading."""
    with path.open("r+b") as file:
        file.truncate(random.randrange(path.stat().st_size))


def change_a_bit(path: Path, random: Random) -> None:
    with path.open("r+b") as file:
        place = random.randrange(path.stat().st_size)
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << random.randrange(8)]))


def put_text(path: Path, random: Random) -> None:
    path.write_text("not a page file at all, but rather long\n" * random.randrange(1, 100))


def put_folder(path: Path, random: Random) -> None:
    path.unlink()
    path.mkdir()


def remove(path: Path, random: Random) -> None:
    path.unlink()


_HARMS: Final[tuple[Callable[[Path, Random], None], ...]] = (
    cut,
    change_a_bit,
    put_text,
    put_folder,
    remove,
)


def spoil(spool: Path, random: Random) -> None:
    """Do harm to a quarter of the page files."""
    files = [path for path in sorted(spool.rglob("*.pages")) if path.is_file()]
    for path in random.sample(files, len(files) // 4):
        with suppress(OSError):  # a server that recognised the damage was faster
            random.choice(_HARMS)(path, random)
