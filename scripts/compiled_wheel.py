"""A hook of hatchling: puts compiled modules into the wheel, which is then for one platform.

It runs only if HATCH_BUILD_HOOK_ENABLE_CUSTOM is true, as in the Dockerfile and in `make wheel`.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PLACE = "symbolon_server/compiled"
"""Where `symbolon_server` looks for them."""


class CompiledWheel(BuildHookInterface[Any]):
    """Compiles what is out of date; the build fails if that fails."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say what belongs into the wheel and what that is for."""
        if version != "editable":  # which runs the source
            program = Path(self.root, "scripts", "compile_modules.py")
            subprocess.run([sys.executable, program], check=True)
            build_data["force_include"][f"{self.root}/server/{_PLACE}"] = _PLACE
            build_data["infer_tag"] = True
            build_data["pure_python"] = False
