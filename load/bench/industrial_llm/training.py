"""The adapters that are measured, and learning them: each in a process of its own.

Owns which adapters there are beside the one that is sold, what each may learn from, and what each
is judged by.
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
# Freed memory is kept: a fifth faster, and the more memory (Linux).
_ALLOCATION: Mapping[str, str] = MappingProxyType(
    {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """An adapter: what `train` is told, whether it goes on from the industry's, and what `evaluate`
    is told."""

    name: str
    taught: tuple[str, ...]
    judged: tuple[str, ...]
    goes_on: bool = False


# FMC states no licence: what has learned from it is measured, and is not passed on.
SOLD = Lesson(INDUSTRY, ("--leave-out", "fmc"), ())
WITH_FMC = Lesson(
    "fmc",
    ("--only", "failure_mode", "--rounds", "5", "--leave-out", "own_orders"),
    ("--only", "failure_mode"),
    goes_on=True,
)
UNSEEN = tuple(
    Lesson(
        f"without-{company}",
        ("--only", "plain_text", "--rounds", "4", "--leave-out", f"maintnorm/{company}"),
        ("--only", "plain_text", "--source", f"maintnorm/{company}"),
    )
    for company in ("b", "a")
)
FAULTS = tuple(
    Lesson(
        f"fold-{fold}",
        ("--only", "fault_system", "--fold", str(fold)),
        ("--only", "fault_system", "--fold", str(fold), "--source", "camb_faults"),
    )
    for fold in range(FOLDS)
)
BESIDE = (WITH_FMC, *UNSEEN, *FAULTS)


def base_folder(engine: str, data_dir: Path) -> Path:
    """The base's weights as they are served."""
    command = [
        sys.executable,
        "-m",
        "serving.weights.obtain_command",
        engine,
        "--data-dir",
        str(data_dir),
    ]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Path(said.stdout.strip().splitlines()[-1])


def learn(lesson: Lesson, base: Path, work: Path, output: Path, start: Path) -> None:
    """Write the lesson's adapter to `output`, unless it is there; goes on after a stop."""
    if all((output / name).is_file() for name in FILES):
        return
    command = [sys.executable, "-m", "models.industrial_llm.train", "--base", str(base)]
    command += ["--work", str(work / f"learning-{lesson.name}"), "--output", str(output)]
    command += [*lesson.taught, *(("--start", str(start)) if lesson.goes_on else ())]
    subprocess.run(command, check=True, env={**_ALLOCATION, **os.environ})
