"""Write the code in client/symbolon/v1 from protos/, or check that it is what would be written.

The generators live in an environment of their own, .venv-protos, that this program makes when
it is not there: they are older than what the server runs on (see protos/requirements.txt).
"""

import argparse
import filecmp
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
CLIENT = ROOT / "client"
REQUIREMENTS = PROTOS / "requirements.txt"
ENVIRONMENT = ROOT / ".venv-protos"
GENERATED = "symbolon/v1/*_pb2*"


def main() -> int:
    """Return the exit code: 1 if `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    check = parser.parse_args().check
    make_environment()
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        stale = find_differences(fresh)
        if check:
            return report(stale)
        replace(fresh)
    return 0


def make_environment() -> None:
    """Make the environment of the generators, unless it has what the requirements say."""
    stamp = ENVIRONMENT / "installed.txt"
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    venv.create(ENVIRONMENT, clear=True, with_pip=True)
    pip = [str(ENVIRONMENT / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted, encoding="utf-8")


def generate(target: Path) -> None:
    """Write messages for every .proto, stubs and servicers for those with services."""
    run_protoc("symbolon/v1/*.proto", [f"--python_out={target}", f"--mypy_out=quiet:{target}"])
    services = [
        f"--grpc_python_out={target}",
        # A servicer need not implement every method: grpc answers UNIMPLEMENTED for the rest.
        f"--mypy_grpc_out=quiet,generate_concrete_servicer_stubs:{target}",
    ]
    run_protoc("symbolon/v1/*_service.proto", services)


def run_protoc(pattern: str, outputs: list[str]) -> None:
    """Run protoc with the plugins of the environment."""
    plugins = [
        f"--plugin={name}={ENVIRONMENT / 'bin' / name}"
        for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob(pattern))
    protoc = [str(ENVIRONMENT / "bin/python"), "-m", "grpc_tools.protoc", f"-I{PROTOS}"]
    subprocess.run([*protoc, *plugins, *outputs, *names], check=True)


def find_differences(fresh: Path) -> list[str]:
    """Return the names of files that are missing, too many, or different."""
    wanted = {str(path.relative_to(fresh)) for path in fresh.glob(GENERATED)}
    there = {str(path.relative_to(CLIENT)) for path in CLIENT.glob(GENERATED)}
    _, changed, _ = filecmp.cmpfiles(fresh, CLIENT, sorted(wanted & there), shallow=False)
    return sorted((wanted ^ there) | set(changed))


def report(stale: list[str]) -> int:
    """Tell which files are not what would be generated; return the exit code."""
    for name in stale:
        print(f"client/{name} is not what protos/ says: run 'make protos'", file=sys.stderr)
    return 1 if stale else 0


def replace(fresh: Path) -> None:
    """Put the fresh files in place of all generated ones."""
    for path in CLIENT.glob(GENERATED):
        path.unlink()
    for path in fresh.glob(GENERATED):
        (CLIENT / path.relative_to(fresh)).write_bytes(path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
