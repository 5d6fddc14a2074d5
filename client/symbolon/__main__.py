"""Starts the command line: `python -m symbolon`, and the program `symbolon`."""

import sys

from symbolon.command_line.arguments import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
