"""The command line of `python -m serving`.

Owns the options and their meaning. Does not own acting on them (__main__.py, run.py).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 8000
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Arguments:
    data_dir: Path
    profile: str
    host: str
    port: int
    exit_with_parent: bool


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line; prints what is wrong and exits with 2, as commands do."""
    parser = argparse.ArgumentParser(
        prog="python -m serving", description="Serve the models of the catalog on one HTTP port."
    )
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="weights, caches and logs live here"
    )
    parser.add_argument("--profile", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument(
        "--host", default=LOOPBACK, help="address of the HTTP port; nothing else leaves loopback"
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="stop when the starting process is gone"
    )
    given = parser.parse_args(argv)
    return Arguments(
        data_dir=given.data_dir.resolve(),
        profile=given.profile,
        host=given.host,
        port=given.port,
        exit_with_parent=given.exit_with_parent,
    )
