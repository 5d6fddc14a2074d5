"""Write what is made for Kubernetes of other files, or check that it is what would be written.

    scripts/manifests.py [--check] [--helm PATH]

The chart has copies of redis/*.conf and monitoring/alerts.yaml, because Helm reads no file outside
of a chart. deploy/manifests/symbolon.yaml is the chart rendered with the values beside it; without
helm only the copies are written or checked.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy/helm/symbolon"
MANIFESTS = ROOT / "deploy/manifests/symbolon.yaml"
COPIED = ("redis/store.conf", "redis/cache.conf", "monitoring/alerts.yaml")

KUBERNETES = "1.27.0"
"""The oldest that the chart is for."""

HEAD = """\
# A server, workers and both Redis servers for Kubernetes: kubectl apply --filename symbolon.yaml
# Made of deploy/helm/symbolon with the values in values.yaml by `make manifests`; do not edit it.
# docs/kubernetes.md says what to change.
"""

_LEFT_OUT = re.compile(
    r"^ *(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n|[ \t]+$", re.MULTILINE
)
"""Labels that would be untrue of what kubectl applies, and spaces at the end of lines."""


def main() -> int:
    """Return the exit code: 1 if `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if stale")
    parser.add_argument("--helm", default=_find_helm(), help="default: that of PATH or the tests")
    arguments = parser.parse_args()
    stale = []
    for path, text in _made_files(arguments.helm):
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(ROOT).as_posix())
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    if stale and arguments.check:
        print(f"stale: {', '.join(stale)}: run 'make manifests'", file=sys.stderr)
    return int(bool(stale) and arguments.check)


def _find_helm() -> str | None:
    built = ROOT / ".cache/others/helm/helm"
    return shutil.which("helm") or (str(built) if built.exists() else None)


def _made_files(helm: str | None) -> Iterator[tuple[Path, str]]:
    """Yield each file with its text; the chart's own come first, as they are rendered."""
    for name in COPIED:
        source = ROOT / name
        yield CHART / "files" / source.name, source.read_text(encoding="utf-8")
    if helm is None:
        print("no helm: deploy/manifests/symbolon.yaml is left as it is", file=sys.stderr)
        return
    values = MANIFESTS.with_name("values.yaml")
    command = [helm, "template", "symbolon", str(CHART), "--values", str(values)]
    # A helm that go installs takes itself for one of an old Kubernetes.
    command += ["--kube-version", KUBERNETES]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    yield MANIFESTS, HEAD + _LEFT_OUT.sub("", done.stdout)


if __name__ == "__main__":
    sys.exit(main())
