"""Options that the commands of this package share, and the collection of their questions."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.catalog import CatalogInvalid, load_catalog
from models.decision_calibration.calibration import weights_key
from models.decision_calibration.collecting import Report, ScoreCollector
from models.decision_calibration.labelled import TASKS, load_split
from models.decision_calibration.scored import ScoredQuestion
from models.training_data import default_directory

FITTING, HELD_OUT = "fitting", "held_out"
_PROGRESS_INTERVAL = 50


class ModelUnknown(ValueError):
    """The catalog has no such model for the profile."""


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """What the shared options say: the service, the model, the tasks and their size.

    With `only_stored` no service is asked.
    """

    collector: ScoreCollector
    weights: str
    tasks: tuple[str, ...]
    directory: Path
    per_task: int
    only_stored: bool = False


def new_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the shared options."""
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", default="", help="base URL of the service, including /v1")
    source.add_argument(
        "--stored", action="store_true", help="use the stored scores only, and ask no service"
    )
    add("--key", default="", help="API key")
    add("--model", required=True, help="model ID on the service")
    add("--profile", default="cpu", help="profile of the catalog that the service runs")
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="default: all")
    add("--per-task", type=int, default=100, help="questions per task and part (default: 100)")
    add("--data", type=Path, default=default_directory(), help="directory of the training sets")
    add(
        "--scores",
        type=Path,
        default=Path("build", "decision-scores.jsonl"),
        help="file that keeps collected scores, so that an interrupted run can be repeated",
    )
    return parser


def parse_shared(options: argparse.Namespace) -> CommandOptions:
    """Return the shared options. Raises ModelUnknown."""
    collector = ScoreCollector(options.url.rstrip("/"), options.key, options.model, options.scores)
    weights = find_weights(options.model, options.profile)
    tasks = tuple(options.tasks)
    return CommandOptions(collector, weights, tasks, options.data, options.per_task, options.stored)


def find_weights(model_id: str, profile: str) -> str:
    """Return the weights that answer for a model in a profile. Raises ModelUnknown."""
    try:
        catalog = load_catalog(profile)
    except (CatalogInvalid, ValueError) as error:
        raise ModelUnknown(str(error)) from error
    model = catalog.find(model_id)
    if model is None:
        raise ModelUnknown(f"The catalog has no model {model_id!r} in the profile {profile!r}.")
    return weights_key(model, catalog.find)


def collect_tasks(options: CommandOptions, part: str) -> Mapping[str, list[ScoredQuestion]]:
    """Return the scored questions of a part by task. Raises CollectionFailed, TrainingDataMissing.

    `part` is FITTING or HELD_OUT.
    """
    scored: dict[str, list[ScoredQuestion]] = {}
    for task in options.tasks:
        questions: Any = getattr(load_split(task, options.directory, options.per_task), part)
        if options.only_stored:
            scored[task] = options.collector.read_scored(questions)
        else:
            report = _progress_printer(f"{task}, {part}")
            scored[task] = options.collector.collect(questions, report)
    return scored


def _progress_printer(what: str) -> Report:
    """Return a progress callback that prints to stderr."""

    def report(done: int, total: int) -> None:
        """Print every fiftieth question and the last one."""
        if done % _PROGRESS_INTERVAL == 0 or done == total:
            sys.stderr.write(f"{what}: {done} of {total}\n")

    return report
