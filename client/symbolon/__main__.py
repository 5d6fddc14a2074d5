"""Entry point of `python -m symbolon` and of the program `symbolon`."""

import sys

from symbolon.command_line.arguments import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
