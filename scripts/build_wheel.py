"""Build the wheels, or the source distribution, of this checkout and print how to install them.

One wheel is for all machines. The other has compiled modules, and is for machines and a Python like
those that it is built on; it is built if that is possible there.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

# In the environment, so that no index is asked, as pip would for a build of its own.
from hatchling.build import build_sdist, build_wheel

ROOT = Path(__file__).resolve().parent.parent

HOW = """\
{built}
Install it into an environment of yours, here or on another machine:
  pip install '{built}'            # the client
  pip install '{built}[buckets]'   # with signed requests to S3, beside the server
  pip install '{built}[cli]'       # with tables and progress drawn on terminals
  pip install '{built}[native]'    # what reads ELF, PDB and other native files, for workers
  pip install '{built}[server]'    # everything to serve
  pip install '{built}[tracing]'   # what sends traces, beside the client or the server"""

COMPILED = """\
The same with compiled modules, for this version of Python on machines like this one:
{built}"""


def main() -> None:
    """Build it and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="dist", help="in the checkout, or absolute")
    parser.add_argument("--sdist", action="store_true", help="build the source distribution")
    arguments = parser.parse_args()
    os.chdir(ROOT)  # what hatchling builds
    build = build_sdist if arguments.sdist else build_wheel
    print(HOW.format(built=Path(arguments.folder, build(arguments.folder))))
    if arguments.sdist:
        return
    if subprocess.run([sys.executable, "scripts/compile_modules.py"], check=False).returncode:
        return  # it has said why
    os.environ["HATCH_BUILD_HOOK_ENABLE_CUSTOM"] = "true"
    print(COMPILED.format(built=Path(arguments.folder, build_wheel(arguments.folder))))


if __name__ == "__main__":
    main()
