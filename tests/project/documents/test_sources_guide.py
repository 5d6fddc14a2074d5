"""Each configuration in docs/sources.md finds its files at the paths that are shown for it."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from symbolon_server.suppliers.contents.errors import MissingSymbolFileError
from symbolon_server.suppliers.layouts.layout import CandidatePath
from symbolon_server.suppliers.layouts.named import NAMED_LAYOUTS
from symbolon_server.suppliers.layouts.symbol_servers import is_pointer
from symbolon_server.suppliers.parse import parse_settings
from symbolon_server.suppliers.source import Source
from symbolon_server.symbols.ground.asked_modules import AskedModule
from symbolon_server.symbols.ground.module_ids import ModuleId
from tests.fixtures.symbol_server import SymbolServer, symbol_server

__all__ = ["symbol_server"]

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs/sources.md").read_text(encoding="utf-8")

UUID = "67e9247c814e392ba027dbde6748fcbf"
MODULES = (
    AskedModule(
        ModuleId.parse("crash.pdb", "3249D99D0C4049318610F4E4FB0B69361"),
        "crash.exe",
        "5AB380779000",
    ),
    AskedModule(
        ModuleId.parse("libm-2.23.so", "e45db8dfaf2d09fd640c8fe377d572de"),
        "libm-2.23.so",
        "dfb85de42daffd09640c8fe377d572de3e168920",
    ),
    AskedModule(ModuleId.parse("crash", UUID), "crash", UUID),
)
SECRET = "word"


class Chapter(NamedTuple):
    """A configuration, and the paths that are shown for it."""

    configuration: str
    paths: list[str]

    def __str__(self) -> str:
        """Return the test's id: location and first path."""
        (location,) = re.findall('location = "(.*)"', self.configuration)
        return f"{location} {self.paths[0]}"


CHAPTERS = [
    Chapter(configuration, paths.split())
    for configuration, paths in re.findall(
        r"^```toml\n(.*?)^```\n\n```text\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE
    )
]


def source_of(configuration: str, server: SymbolServer, folder: Path) -> Source:
    """Return the source as configured, but on this machine: below `folder` or at `server`."""
    text = re.sub(r'"https://[^/"]+/?', f'"{server.url}', configuration)
    text = text.replace('location = "/', f'location = "{folder}/')
    for name in re.findall(r'_file = "([^"]+)"', text):
        (folder / name).write_text(SECRET)
    environment = dict.fromkeys(re.findall(r'_env = "([^"]+)"', text), SECRET)
    file = folder / "sources.toml"
    file.write_text(text)
    (source,) = parse_settings(str(file), environment=environment)
    return source


def root_of(source: Source, server: SymbolServer) -> Path:
    """Return the folder whose files the source has."""
    if isinstance(source.where, Path):
        return source.where
    return server.folder / source.where.path.removeprefix("/")


def candidates_of(source: Source, paths: list[str]) -> list[CandidatePath]:
    """Return the candidates of the one module of the guide that has these paths."""
    of_modules = [list(source.options.candidates(module)) for module in MODULES]
    (found,) = (one for one in of_modules if [str(candidate) for candidate in one] == paths)
    return found


def test_each_configuration_of_the_guide_shows_its_paths() -> None:
    assert len(CHAPTERS) == GUIDE.count("```toml") > 1


def test_each_layout_has_a_chapter() -> None:
    named = set(re.findall(r"`(\w+)`", GUIDE)) | set(re.findall('layout = "(.*)"', GUIDE))
    assert set(NAMED_LAYOUTS) - named == set()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=str)
def test_a_configuration_finds_a_file_at_each_path_that_is_shown(
    chapter: Chapter, symbol_server: SymbolServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_signed = "s3://" in chapter.configuration
    if is_signed:
        pytest.importorskip("botocore")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    source = source_of(chapter.configuration, symbol_server, tmp_path)
    supplier = source.make()
    for candidate in candidates_of(source, chapter.paths):
        file = root_of(source, symbol_server) / str(candidate)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"content")
        if is_pointer(candidate):
            with pytest.raises(MissingSymbolFileError, match="not followed"):
                supplier.fetch(candidate).__enter__()
            continue
        with supplier.fetch(candidate) as stream:
            assert b"".join(stream) == b"content"
    for get in symbol_server.gets:
        has_token = "token_env" in chapter.configuration
        assert ("Authorization" in get.headers) == (is_signed or has_token)
        assert ("query_file" in chapter.configuration) == get.path.endswith(f"?{SECRET}")
