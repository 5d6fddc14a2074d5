"""Print the requirements of dependency groups of pyproject.toml.

    pip install $(scripts/dependency_group.py dev fuzz)

For versions of pip before 25.1, which have no option `--group`.
"""

import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def main(names: list[str]) -> None:
    """Print one requirement per line."""
    groups = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["dependency-groups"]
    print("\n".join(requirement for name in names for requirement in groups[name]))


if __name__ == "__main__":
    main(sys.argv[1:])
