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
# The training settings of the base that the catalog's CPU profile serves.
_PROFILE = "cpu"
# glibc keeps freed memory: a fifth faster, with more memory (Linux).
_ALLOCATION: Mapping[str, str] = MappingProxyType(
    {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
)


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """An adapter: arguments of `train` and `evaluate`, and whether it extends the sold one."""

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
    for company in ("b", "a")
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


def base_folder(engine: str, data_dir: Path) -> Path:
    """Return the folder of the base model's converted weights."""
    command = [
        sys.executable,
        "-m",
        "serving.weights.obtain_command",
        engine,
        "--data-dir",
        str(data_dir),
    ]
    completed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Path(completed.stdout.strip().splitlines()[-1])


def train_adapter(run: TrainingRun, base: Path, work: Path, output: Path, start: Path) -> None:
    """Train an adapter into `output` unless it exists; an interrupted training is resumed."""
    if all((output / name).is_file() for name in FILES):
        return
    command = [sys.executable, "-m", "models.industrial_llm.train", "--base", str(base)]
    command += ["--profile", _PROFILE]
    command += ["--work", str(work / f"learning-{run.name}"), "--output", str(output)]
    command += [
        *run.train_arguments,
        *(("--start", str(start)) if run.starts_from_industry else ()),
    ]
    subprocess.run(command, check=True, env={**_ALLOCATION, **os.environ})
