"""The kubectl plugin as Krew installs it: an archive of the wheel, its lock and a script, and the manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import yaml

from tests import ROOT

SCRIPT = """\
#!/bin/sh
# kubectl modelrollout, as Krew installs it. The first call makes an environment for this version, from the lock beside
# this script: pip checks every file's hash. Python 3.11 or newer is needed; PYTHON names one that is not python3.
set -eu
here=$(dirname "$(readlink -f "$0")")
python=${PYTHON:-python3}
"$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "kubectl modelrollout: Python 3.11 or newer with venv is needed; name one in PYTHON" >&2
  exit 1
}
home=${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-modelrollout/@VERSION@
if [ ! -x "$home/bin/python" ]; then
  echo "kubectl modelrollout: installing its Python packages, once" >&2
  mkdir -p "$(dirname "$home")"
  new=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  "$python" -m venv "$new"
  "$new/bin/python" -m pip install -q --require-hashes --only-binary=:all: -r "$here/operator.lock" >&2
  "$new/bin/python" -m pip install -q --no-deps --no-index "$here"/modelrollout-*.whl >&2
  mv -T "$new" "$home" 2>/dev/null || mv "$new" "$home"
  trap - EXIT
fi
exec "$home/bin/python" -c 'import sys; from modelrollout.cli.main import main; sys.exit(main())' "$@"
"""
DESCRIPTION = """\
Shows what a canary rollout of a model version is doing and why, and lets you approve, pause, promote or abort it.
Checks manifests before they are applied, and says what keeps a rollout from being judged.
"""


def archive(wheel: Path, version: str, target: Path) -> Path:
    """`kubectl-modelrollout-VERSION.tar.gz` in the folder `target`; the same bytes for the same content."""
    made = target / f"kubectl-modelrollout-{version}.tar.gz"
    script = SCRIPT.replace("@VERSION@", version).encode()
    files = {"kubectl-modelrollout": script, wheel.name: wheel.read_bytes()}
    for path in (ROOT / "requirements" / "operator.lock", ROOT / "LICENSE"):
        files[path.name] = path.read_bytes()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as out:
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if content is script else 0o644
            out.addfile(info, io.BytesIO(content))
    made.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
    return made


def manifest(packed: Path, version: str, url: str) -> str:
    """Krew's manifest of the archive, which is fetched from below `url`."""
    platform = {
        "selector": {"matchExpressions": [{"key": "os", "operator": "In", "values": ["darwin", "linux"]}]},
        "uri": f"{url.rstrip('/')}/{packed.name}",
        "sha256": hashlib.sha256(packed.read_bytes()).hexdigest(),
        "bin": "kubectl-modelrollout",
    }
    found = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "modelrollout"},
        "spec": {
            "version": f"v{version}",
            "shortDescription": "Watch and steer canary rollouts of model versions",
            "description": DESCRIPTION,
            "caveats": "Needs Python 3.11 or newer. The first call installs its packages into ~/.cache.\n",
            "platforms": [platform],
        },
    }
    return yaml.safe_dump(found, sort_keys=False)
