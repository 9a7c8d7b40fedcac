"""The command line of `python -m serving`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.catalog.profiles import DEFAULT_PROFILE, PROFILES
from serving.scaling import Scaling, ScalingSettings, engine_scaling, specialist_scaling

DEFAULT_PORT = 8000
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed command line."""

    data_dir: Path
    profile: str
    host: str
    port: int
    exit_with_parent: bool
    scaling: ScalingSettings


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Parse the command line; on an error print it and exit with status 2."""
    parser = _parser()
    options = parser.parse_args(argv)
    specialists = specialist_scaling(
        options.specialist_min_replicas,
        options.specialist_max_replicas,
        options.specialist_target_requests,
        options.specialist_idle_s,
    )
    engines = engine_scaling(
        options.engine_min_replicas,
        options.engine_max_replicas,
        options.engine_target_requests,
        options.engine_idle_s,
    )
    if not 0 <= specialists.min_replicas or not _has_valid_bounds(specialists):
        parser.error(
            "inconsistent --specialist options: the minimum must be at least 0 and at most the "
            "maximum, target requests above 0, and idle time at least 0"
        )
    if not 1 <= engines.min_replicas or not _has_valid_bounds(engines):
        parser.error(
            "inconsistent --engine options: the minimum must be at least 1 and at most the "
            "maximum, target requests above 0, and idle time at least 0"
        )
    if not 0 < options.training_gpus <= 1:
        parser.error("--training-gpus must be above 0 and at most 1")
    return Arguments(
        data_dir=options.data_dir.resolve(),
        profile=options.profile,
        host=options.host,
        port=options.port,
        exit_with_parent=options.exit_with_parent,
        scaling=ScalingSettings(specialists, engines, options.training_gpus),
    )


def _parser() -> argparse.ArgumentParser:
    """Return the command line parser."""
    parser = argparse.ArgumentParser(
        prog="python -m serving", description="Serve the models of the catalog over HTTP."
    )
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="directory for weights, caches and logs"
    )
    parser.add_argument(
        "--profile",
        choices=list(PROFILES),
        default=DEFAULT_PROFILE,
        help=f"hardware profile (default: {DEFAULT_PROFILE})",
    )
    parser.add_argument(
        "--host", default=LOOPBACK, help=f"address to listen on (default: {LOOPBACK})"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help=f"port to listen on (default: {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="stop when the parent process ends"
    )
    _add_specialist_options(parser)
    _add_engine_options(parser)
    return parser


def _has_valid_bounds(scaling: Scaling) -> bool:
    """Return whether minimum, maximum, target and idle time are consistent."""
    return (
        scaling.min_replicas <= scaling.max_replicas
        and scaling.target_requests > 0
        and scaling.idle_s >= 0
    )


def _add_specialist_options(parser: argparse.ArgumentParser) -> None:
    """Add the `--specialist-…` options, with the defaults of `MAAS_SPECIALIST_…`."""
    group = parser.add_argument_group("specialist replicas")
    group.add_argument(
        "--specialist-min-replicas",
        type=int,
        default=1,
        help="minimum number of replicas; 0: scale to zero when idle (default: 1)",
    )
    group.add_argument(
        "--specialist-max-replicas",
        type=int,
        help="maximum number of replicas (default: half of the CPU cores)",
    )
    group.add_argument(
        "--specialist-target-requests",
        type=float,
        default=8.0,
        help="concurrent requests per replica above which a replica is added (default: 8)",
    )
    group.add_argument(
        "--specialist-idle-s",
        type=float,
        default=600.0,
        help="seconds after which an unneeded replica is stopped (default: 600)",
    )


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add the `--engine-…` options, with the defaults of `MAAS_ENGINE_…`."""
    group = parser.add_argument_group("engines per language model")
    group.add_argument(
        "--engine-min-replicas", type=int, default=1, help="minimum number of engines (default: 1)"
    )
    group.add_argument(
        "--engine-max-replicas", type=int, help="maximum number of engines (default: the minimum)"
    )
    group.add_argument(
        "--engine-target-requests",
        type=float,
        default=16.0,
        help="concurrent requests per engine above which an engine is added (default: 16)",
    )
    group.add_argument(
        "--engine-idle-s",
        type=float,
        default=600.0,
        help="seconds after which an unneeded engine is stopped (default: 600)",
    )
    group.add_argument(
        "--training-gpus",
        type=float,
        default=1.0,
        help="share of a GPU for fine-tuning in the profile gpu; below 1, engines leave that "
        "share of their GPUs to it (default: 1, a GPU that no engine uses)",
    )
