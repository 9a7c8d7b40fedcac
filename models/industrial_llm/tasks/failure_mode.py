"""Task: classify the failure mode of a work order.

Reads the Failure Mode Classification set (FMC, University of Western Australia) and own orders in
English and Chinese (failure_mode.tsv). FMC is a separate source because it may have to be excluded
from shipped adapters (card.md). Its development set is the test part; validation uses own examples
only.
"""

from pathlib import Path

from models.industrial_llm.examples import (
    DatasetSplit,
    Example,
    Task,
    detect_language,
    instructions_by_language,
)
from models.industrial_llm.splitting import remove_near_duplicates, split_by_group
from models.industrial_llm.tasks.files import read_data_file, read_pairs

FMC = "fmc"
OWN_SOURCE = "own_orders"
OWN_EXAMPLES_FILE = Path(__file__).with_name("failure_mode.tsv")
LABELS = (
    "Abnormal instrument reading",
    "Breakdown",
    "Contamination",
    "Electrical",
    "Erratic output",
    "Fail to close",
    "Fail to function",
    "Fail to open",
    "Failure to rotate",
    "Failure to start on demand",
    "Failure to stop on demand",
    "High output",
    "Leaking",
    "Low output",
    "Minor in-service problems",
    "Noise",
    "Other",
    "Overheating",
    "Plugged / choked",
    "Spurious stop",
    "Structural deficiency",
    "Vibration",
)


def load(directory: Path, _fold: int) -> DatasetSplit:
    """Load FMC's work orders and those written for this project. Raises TrainingDataMissing."""
    fmc = DatasetSplit(
        train=_load_fmc_orders(directory, "train"), test=_load_fmc_orders(directory, "dev")
    )
    return remove_near_duplicates(fmc + load_project_examples())


def load_project_examples() -> DatasetSplit:
    """Load the work orders written for this project, without reading any training set."""
    return split_by_group(
        [_to_example(OWN_SOURCE, text, label) for label, text in read_pairs(OWN_EXAMPLES_FILE)]
    )


def _load_fmc_orders(directory: Path, part: str) -> tuple[Example, ...]:
    """Load the labelled orders of one part of FMC."""
    lines = (
        read_data_file(directory, Path("maint_text", "fmc", f"{part}.txt")).decode().splitlines()
    )
    rows = (line.rpartition(",") for line in lines if line.strip())
    return tuple(_to_example(FMC, text, label) for text, _, label in rows)


def _to_example(source: str, text: str, label: str) -> Example:
    """Create an example from a work order and its failure mode."""
    return Example(TASK.name, source, detect_language(text), text, label)


TASK = Task(
    name="failure_mode",
    load=load,
    instructions=instructions_by_language(
        (
            "Name the failure mode of this work order.",
            "Which failure mode does this maintenance record describe?",
            "Classify the failure mode (ISO 14224).",
        ),
        (
            "指出这张工单的故障模式。",
            "这条维修记录属于哪种失效模式?",
            "按 ISO 14224 判断故障模式。",
        ),
    ),
    labels=LABELS,
    load_project_examples=load_project_examples,
    max_tokens=16,
)
