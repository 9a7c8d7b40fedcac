"""The other gateways' programs: found on this machine, or installed outside the repository.

LiteLLM gets an environment of its own and Portkey a folder, so that neither meets our packages;
nginx comes from the system.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

# Pinned. Whoever moves it: 1.82.7 and 1.82.8 carried malware and may never be installed.
LITELLM = "1.106.12"
PORTKEY = "1.15.2"

_PORTKEY_PACKAGE = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": PORTKEY},
    # With newer ones, which its own range admits, every streamed call is answered by a fault,
    # `TypeError: immutable` (github.com/Portkey-AI/gateway/issues/1389).
    "overrides": {"@hono/node-server": "1.14.1"},
}


def litellm(installs: Path) -> Path:
    """The `litellm` program."""
    folder = installs / f"litellm-{LITELLM}"
    if not (folder / "installed").exists():
        _say(f"installing LiteLLM {LITELLM} into {folder}; this takes a minute")
        _run(sys.executable, "-m", "venv", folder)
        pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", f"litellm[proxy]=={LITELLM}")
        (folder / "installed").touch()
    return folder / "bin" / "litellm"


def portkey(installs: Path) -> tuple[str, Path]:
    """Node, and the script that starts the gateway."""
    node, npm = (_require(name, "Node.js 20 or newer with npm") for name in ("node", "npm"))
    folder = installs / f"portkey-{PORTKEY}"
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not (folder / "installed").exists():
        _say(f"installing Portkey {PORTKEY} into {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps(_PORTKEY_PACKAGE), encoding="utf-8")
        # Its one script applies patches, of which the published package has none.
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent")
        _run(npm, "install", *quiet, "--prefix", folder)
        (folder / "installed").touch()
    return node, script


def nginx() -> str:
    """The version, as nginx says it."""
    said = subprocess.run(
        [nginx_program(), "-v"], capture_output=True, text=True, check=True
    ).stderr
    return said.strip().removeprefix("nginx version: ")


def nginx_program() -> str:
    """Debian keeps it where only root's PATH looks."""
    return _require("nginx", "nginx (Debian: apt-get install -y nginx-light)", "/usr/sbin/nginx")


def _require(program: str, what: str, otherwise: str = "") -> str:
    found = shutil.which(program) or shutil.which(otherwise)
    if found is None:
        sys.exit(f"`{program}` is missing. Install {what} and run this again.")
    return found


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
