"""The command line of `python -m serving`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving.scaling import Scaling, Scalings, of_engines, of_specialists

DEFAULT_PORT = 8000
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Arguments:
    data_dir: Path
    profile: str
    host: str
    port: int
    exit_with_parent: bool
    scalings: Scalings


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
    _add_specialists(parser)
    _add_engines(parser)
    given = parser.parse_args(argv)
    specialists = of_specialists(
        given.specialist_min_replicas,
        given.specialist_max_replicas,
        given.specialist_target_requests,
        given.specialist_idle_s,
    )
    engines = of_engines(
        given.engine_min_replicas,
        given.engine_max_replicas,
        given.engine_target_requests,
        given.engine_idle_s,
    )
    if not 0 <= specialists.least or not _fits(specialists):
        parser.error("the bounds of the specialists' replicas do not fit together")
    if not 1 <= engines.least or not _fits(engines):
        parser.error("the bounds of the language models' engines do not fit together")
    return Arguments(
        data_dir=given.data_dir.resolve(),
        profile=given.profile,
        host=given.host,
        port=given.port,
        exit_with_parent=given.exit_with_parent,
        scalings=Scalings(specialists, engines),
    )


def _fits(scaling: Scaling) -> bool:
    return scaling.least <= scaling.most and scaling.target > 0 and scaling.idle_s >= 0


def _add_specialists(parser: argparse.ArgumentParser) -> None:
    """The defaults are those of `MAAS_SPECIALIST_…` (infra/settings.py)."""
    group = parser.add_argument_group("replicas of the specialists")
    group.add_argument(
        "--specialist-min-replicas", type=int, default=1, help="0: none while nobody calls"
    )
    group.add_argument("--specialist-max-replicas", type=int, help="default: half the processors")
    group.add_argument(
        "--specialist-target-requests", type=float, default=8.0, help="at once on each replica"
    )
    group.add_argument(
        "--specialist-idle-s", type=float, default=600.0, help="until one too many is stopped"
    )


def _add_engines(parser: argparse.ArgumentParser) -> None:
    """The defaults are those of `MAAS_ENGINE_…` (infra/settings.py)."""
    group = parser.add_argument_group("engines of each language model")
    group.add_argument("--engine-min-replicas", type=int, default=1)
    group.add_argument("--engine-max-replicas", type=int, help="default: as many as at least")
    group.add_argument(
        "--engine-target-requests", type=float, default=16.0, help="at once on each engine"
    )
    group.add_argument(
        "--engine-idle-s", type=float, default=600.0, help="until one too many is stopped"
    )
