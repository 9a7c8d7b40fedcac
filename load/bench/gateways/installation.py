"""The other gateways' programs: found on this machine, or installed outside the repository.

LiteLLM, ferrogw and smg get a virtual environment each, Portkey a folder of its own; nginx comes
from the system.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

# Pinned. 1.82.7 and 1.82.8 contained malware and must never be installed.
LITELLM = "1.106.12"
PORTKEY = "1.15.2"
# Compiled gateways, which PyPI has as wheels: one in Go, one in Rust.
FERROGW = "1.5.10"
SMG = "1.13.0"

_PORTKEY_PACKAGE = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": PORTKEY},
    # With newer versions, which its range allows, every streamed call fails with
    # `TypeError: immutable` (github.com/Portkey-AI/gateway/issues/1389).
    "overrides": {"@hono/node-server": "1.14.1"},
}


def install_litellm(installs: Path) -> Path:
    """Install LiteLLM if needed and return its program."""
    return _install_from_pypi(installs, "litellm", LITELLM, "[proxy]")


def install_ferrogw(installs: Path) -> Path:
    """Install ferrogw if needed and return its program."""
    return _install_from_pypi(installs, "ferrogw", FERROGW)


def install_smg(installs: Path) -> Path:
    """Install smg if needed and return its program."""
    return _install_from_pypi(installs, "smg", SMG)


def install_portkey(installs: Path) -> tuple[str, Path]:
    """Install Portkey if needed and return Node and the gateway's start script."""
    node, npm = (_require(name, "Node.js 20 or newer with npm") for name in ("node", "npm"))
    folder = installs / f"portkey-{PORTKEY}"
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not (folder / "installed").exists():
        _say(f"installing Portkey {PORTKEY} into {folder}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps(_PORTKEY_PACKAGE), encoding="utf-8")
        # Its only script applies patches, which the published package does not have.
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent")
        _run(npm, "install", *quiet, "--prefix", folder)
        (folder / "installed").touch()
    return node, script


def nginx_version() -> str:
    """Return nginx's version."""
    output = subprocess.run(
        [nginx_program(), "-v"], capture_output=True, text=True, check=True
    ).stderr
    return output.strip().removeprefix("nginx version: ")


def nginx_program() -> str:
    """Return the path of nginx, which Debian installs outside the users' PATH."""
    return _require("nginx", "nginx (Debian: apt-get install -y nginx-light)", "/usr/sbin/nginx")


def _install_from_pypi(installs: Path, package: str, version: str, extras: str = "") -> Path:
    """Install a package into a virtual environment of its own, and return its program."""
    folder = installs / f"{package}-{version}"
    if not (folder / "installed").exists():
        _say(f"installing {package} {version} into {folder}; this takes a minute")
        _run(sys.executable, "-m", "venv", folder)
        pip = (folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", f"{package}{extras}=={version}")
        (folder / "installed").touch()
    return folder / "bin" / package


def _require(program: str, what: str, otherwise: str = "") -> str:
    found = shutil.which(program) or shutil.which(otherwise)
    if found is None:
        sys.exit(f"`{program}` is missing. Install {what} and run this again.")
    return found


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
