"""A work order's failure mode.

Owns how the Failure Mode Classification set (FMC, University of Western Australia) reads, and our
own orders in English and Chinese (failure_mode.tsv). FMC is a source by itself, as it may have to
be left out of what ships (card.md). Its development set stands beside the published figures; no
choice is made by it, and what is watched while learning comes from our own lines.
"""

from pathlib import Path

from models.industrial_llm.examples import Example, Parts, Task, language_of, wordings
from models.industrial_llm.splitting import apart, divided
from models.industrial_llm.tasks.files import packed, pairs

FMC = "fmc"
OWN = "own_orders"
LINES = Path(__file__).with_name("failure_mode.tsv")
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


def load(directory: Path, _fold: int) -> Parts:
    """FMC's training and development set, and our own orders. Raises TrainingDataMissing."""
    held = Parts(train=_orders(directory, "train"), test=_orders(directory, "dev"))
    return apart(held + own())


def own() -> Parts:
    """Our own orders, which need nothing of the training sets."""
    return divided([_example(OWN, text, label) for label, text in pairs(LINES)])


def _orders(directory: Path, part: str) -> tuple[Example, ...]:
    lines = packed(directory, Path("maint_text", "fmc", f"{part}.txt")).decode().splitlines()
    rows = (line.rpartition(",") for line in lines if line.strip())
    return tuple(_example(FMC, text, label) for text, _, label in rows)


def _example(source: str, text: str, label: str) -> Example:
    return Example(TASK.name, source, language_of(text), text, label)


TASK = Task(
    name="failure_mode",
    load=load,
    instructions=wordings(
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
    own=own,
    longest=16,
)
