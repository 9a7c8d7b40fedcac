"""Training runs of the adapters to evaluate: each in a process of its own.

Lists the extra adapters beside the sold one, with the data that each may train on and is evaluated
on.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from load.bench.industrial_llm.adapters import FILES

FOLDS = 10
INDUSTRY = "industry"
# glibc keeps freed memory: a fifth faster, with more memory (Linux).
_ALLOCATION: Mapping[str, str] = MappingProxyType(
    {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """An adapter: arguments of `train` and `evaluate`.

    One that `starts_from_industry` is a customer's layer on the sold model; the others are trained
    on the base.
    """

    name: str
    train_arguments: tuple[str, ...]
    evaluate_arguments: tuple[str, ...]
    starts_from_industry: bool = False


# FMC states no licence: an adapter trained on it is evaluated, but not published.
SOLD = TrainingRun(INDUSTRY, ("--leave-out", "fmc"), ())
WITH_FMC = TrainingRun(
    "fmc",
    ("--only", "failure_mode", "--rounds", "2", "--leave-out", "own_orders"),
    ("--only", "failure_mode"),
    starts_from_industry=True,
)
UNSEEN = tuple(
    TrainingRun(
        f"without-{company}",
        ("--only", "plain_text", "--leave-out", f"maintnorm/{company}"),
        ("--only", "plain_text", "--source", f"maintnorm/{company}"),
    )
    for company in ("b",)
)
FAULT_FOLDS = tuple(
    TrainingRun(
        f"fold-{fold}",
        ("--only", "fault_system", "--fold", str(fold)),
        ("--only", "fault_system", "--fold", str(fold), "--source", "camb_faults"),
    )
    for fold in range(FOLDS)
)
EXTRA_RUNS = (WITH_FMC, *UNSEEN, *FAULT_FOLDS)


def obtain_folder(model: str, data_dir: Path, *options: str) -> Path:
    """Return the folder of a model's converted weights, with options of the command."""
    command = [sys.executable, "-m", "serving.weights.obtain_command", model, *options]
    completed = subprocess.run(
        [*command, "--data-dir", str(data_dir)], check=True, stdout=subprocess.PIPE, text=True
    )
    return Path(completed.stdout.strip().splitlines()[-1])


def train_adapter(run: TrainingRun, base: Path, work: Path, output: Path) -> None:
    """Train an adapter into `output` unless it exists; an interrupted training is resumed."""
    if all((output / name).is_file() for name in FILES):
        return
    command = [sys.executable, "-m", "models.industrial_llm.train", "--base", str(base)]
    command += ["--work", str(work / f"learning-{run.name}"), "--output", str(output)]
    subprocess.run([*command, *run.train_arguments], check=True, env={**_ALLOCATION, **os.environ})
