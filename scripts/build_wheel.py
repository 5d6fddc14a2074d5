"""Build the wheel of this checkout into a folder, print where it is and how to install it."""

import argparse
import os
from pathlib import Path

# In the environment, so that no index is asked, as pip would for a build of its own.
from hatchling.build import build_wheel

ROOT = Path(__file__).resolve().parent.parent

HOW = """\
{wheel}
Install it into an environment of yours, here or on another machine:
  pip install '{wheel}'            # the client
  pip install '{wheel}[cli]'       # with tables and progress drawn on terminals
  pip install '{wheel}[server]'    # everything to serve"""


def main() -> None:
    """Build it and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="dist", help="in the checkout, or absolute")
    folder = parser.parse_args().folder
    os.chdir(ROOT)  # what hatchling builds
    print(HOW.format(wheel=Path(folder, build_wheel(folder))))


if __name__ == "__main__":
    main()
