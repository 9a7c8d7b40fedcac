"""`python -m tests.clients --url URL --key KEY --model MODEL`: clients against a running gateway.

Each client has a folder here with its pinned `requirements.txt` and its tests. Its environment is
created in `build/clients/` once; the gateway and its engine are those that run at the address.
With `--made-up` in place of address and key, a gateway runs here in front of a made-up model that
does all that it is asked for: what fails then is the gateway's, what fails only with an engine is
the model's.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.clients.made_up import run_made_up
from tests.support.builders import CHAT

FOLDER = Path(__file__).parent
ENVIRONMENTS = Path("build", "clients")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests of all clients, or of those that are named; return 1 if one of them fails."""
    options = _options(arguments)
    if options.made_up:
        return asyncio.run(_test_made_up(options.clients))
    return _test_clients(options.clients, options.url, options.key, options.model)


async def _test_made_up(clients: Sequence[str]) -> int:
    """Run the tests against a gateway with a made-up model; return the exit status."""
    async with run_made_up() as (url, key):
        return await asyncio.to_thread(_test_clients, clients, url, key, CHAT)


def _test_clients(clients: Sequence[str], url: str, key: str, model: str) -> int:
    """Run the tests of clients against a gateway; return the exit status."""
    variables = {"MAAS_CLIENT_URL": url, "MAAS_CLIENT_KEY": key, "MAAS_CLIENT_MODEL": model}
    names = clients or list_clients()
    failed = [name for name in names if _run_tests(name, variables) != 0]
    for name in names:
        sys.stdout.write(f"{name}: {'failed' if name in failed else 'passed'}\n")
    return 1 if failed else 0


def list_clients() -> list[str]:
    """Return the names of the clients: the folders with requirements."""
    return sorted(path.parent.name for path in FOLDER.glob("*/requirements.txt"))


def _run_tests(name: str, variables: dict[str, str]) -> int:
    """Run the tests of one client in its environment; return the exit status."""
    python = _create_environment(name)
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    # Its own folder as working directory: our pytest settings and packages are of other versions.
    return subprocess.run(
        [*command, "."], cwd=FOLDER / name, env={**os.environ, **variables}, check=False
    ).returncode


def _create_environment(name: str) -> Path:
    """Create the client's virtual environment if it has none; return its interpreter."""
    folder = (ENVIRONMENTS / name).absolute()
    python, mark = folder / "bin" / "python", folder / "installed"
    wanted = (FOLDER / name / "requirements.txt").read_text("utf-8")
    if not mark.exists() or mark.read_text("utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
        subprocess.run(install, cwd=FOLDER / name, check=True)
        mark.write_text(wanted, "utf-8")
    return python


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients")
    parser.add_argument("clients", nargs="*", choices=[[], *list_clients()], default=[])
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="address of the gateway")
    parser.add_argument("--key", default="", help="API key of an account with ample limits")
    parser.add_argument("--model", default="", help="a language model that calls tools")
    parser.add_argument("--made-up", action="store_true", help="start a gateway, with no engine")
    options = parser.parse_args(arguments)
    if not options.made_up and not (options.key and options.model):
        parser.error("--key and --model are needed without --made-up")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
