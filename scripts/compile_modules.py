"""Compile the hot modules of the server, which pyproject.toml lists, where that is possible.

    python scripts/compile_modules.py [--quiet] [FOLDER]

They are compiled by mypyc from the source that also runs without. FOLDER gets an extension module
for each, and a list of all sources that went into them: `symbolon_server` imports the former only
while the latter are unchanged. Without FOLDER this is the place where `symbolon_server` looks.
Nothing is done if FOLDER is up to date. With --quiet it is no error if they cannot be compiled, and
nothing is said where there is no C compiler, no header of Python or no mypyc: the source then runs.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec, source_hash
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER = ROOT / "server"
PACKAGE = "symbolon_server"
PLACE = SERVER / PACKAGE / "compiled"
SOURCES = "sources"
"""The list in a folder of compiled modules: the ending of their names, then hash and path each."""

SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX")
_GROUP = f"{PACKAGE}.hot"
"""The modules call each other without detours because they are one library, of this name."""

_OPTIONS = ("--config-file=", "--follow-imports=skip", "--disable-error-code=var-annotated")
"""For mypy, whose judgement is not wanted here. What other modules have is looked up when compiled
code runs, so that it depends on no source but its own, and on no package with types.
"""

_BUILT = "built"


def main() -> int:
    """Compile what is out of date, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=PLACE)
    parser.add_argument("--quiet", action="store_true", help="do not fail")
    parser.add_argument("--build", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.build:
        build(asked.folder)
        return 0
    if asked.quiet and find_lacking():
        return 0
    problem = compile_modules(asked.folder.absolute())
    if problem:
        print(f"The modules are not compiled: {problem}", file=sys.stderr)
    return int(bool(problem) and not asked.quiet)


def compile_modules(folder: Path) -> str:
    """Compile into `folder` unless it is up to date; return what prevents it, if anything does."""
    modules = modules_to_compile()
    sources = list_sources(modules)
    if is_current(folder, sources):
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    if is_current(PLACE, sources):
        shutil.copytree(PLACE, folder)
        return ""
    if lacking := find_lacking():
        return lacking
    print("Compiling the hot modules of the server, which takes half a minute ...", flush=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".compiling-") as temporary:
        # In a program of its own: mypyc and setuptools end theirs if anything is wrong.
        command = [sys.executable, str(Path(__file__).resolve()), "--build", temporary]
        done = subprocess.run(command, cwd=SERVER, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{done.stdout}{done.stderr}"
        built = Path(temporary, _BUILT)
        (built / SOURCES).write_text(sources, encoding="utf-8")
        try:
            built.replace(folder)
        except OSError:
            if not is_current(folder, sources):  # by another program at the same time
                raise
    return ""


def modules_to_compile() -> list[str]:
    """Return the names of the modules, without that of the package."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    modules: list[str] = tomllib.loads(text)["tool"]["symbolon"]["compiled-modules"]
    return modules


def is_current(folder: Path, sources: str) -> bool:
    """Return whether `folder` has been made of these sources."""
    try:
        return (folder / SOURCES).read_text(encoding="utf-8") == sources
    except OSError:
        return False


def list_sources(modules: Sequence[str]) -> str:
    """Return the list of the modules' sources, and of what they were compiled for and by."""
    paths = sorted(f"{PACKAGE}/{module.replace('.', '/')}.py" for module in modules)
    # As Python does for those of its files that are checked by the hash of their source.
    hashes = [source_hash((SERVER / path).read_bytes()).hex() for path in paths]
    lines = [f"{digest} {path}\n" for digest, path in zip(hashes, paths, strict=True)]
    return "".join([f"{SUFFIX}\n", *lines])


def find_lacking() -> str:
    """Return what this machine lacks to compile; empty if nothing."""
    absent = [name for name in ("mypyc", "setuptools") if find_spec(name) is None]
    if absent:
        return f"the package {absent[0]} is not installed"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "the headers of Python are not installed"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return "" if shutil.which(compiler) else f"there is no C compiler {compiler}"


def build(temporary: Path) -> None:
    """Compile the modules into a folder below `temporary`, from the folder of the package."""
    import setuptools  # noqa: PLC0415 # mypyc works with it if it is imported first
    from mypyc.build import mypycify  # noqa: PLC0415 # see above

    files = [f"{PACKAGE}/{module.replace('.', '/')}.py" for module in modules_to_compile()]
    version = f"--python-version={sys.version_info.major}.{sys.version_info.minor}"
    cache = f"--cache-dir={temporary / 'cache'}"
    extensions = mypycify(
        [*_OPTIONS, version, cache, *files],
        debug_level="0",
        target_dir=str(temporary / "c"),
        group_name=_GROUP,
    )
    library = temporary / "library"
    folders = ["--build-lib", str(library), "--build-temp", str(temporary / "objects")]
    setuptools.setup(
        name=PACKAGE, ext_modules=extensions, script_args=["--quiet", "build_ext", *folders]
    )
    (temporary / _BUILT).mkdir()
    for file in library.rglob(f"*{SUFFIX}"):
        file.rename(temporary / _BUILT / ".".join(file.relative_to(library).parts))


if __name__ == "__main__":
    sys.exit(main())
