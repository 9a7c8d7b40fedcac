"""A failure's severity and the next step, from a failure mode and effects analysis (FMEA).

Owns how the set's rows read, what of a row is asked and what answered. Whole subsystems are held
out, as parts of one subsystem share their wording.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from models.industrial_llm.examples import ENGLISH, Example, Parts, Schema, Task, wordings
from models.industrial_llm.splitting import apart
from models.industrial_llm.tasks.extraction import as_json
from models.industrial_llm.tasks.files import table

FILE = Path("maint_text", "fmea", "fmea_dataset_filled.csv")
VALIDATION = frozenset({"Fire Suppression System", "Load Frame"})
TEST = frozenset({"Hydraulic System", "Power Frame"})
GRADES = (1, 2, 3, 4)
ASKED = ("Component", "Sub-Component", "Potential Failure Mode", "Potential Effect(s) of Failure")


def load(directory: Path, _fold: int) -> Parts:
    """All rows, by subsystem. Raises TrainingDataMissing."""
    examples = [_example(row) for row in table(directory, FILE)]
    different = list({one.text: one for one in reversed(examples)}.values())[::-1]
    return apart(
        Parts(
            train=tuple(one for one in different if one.source not in VALIDATION | TEST),
            validation=tuple(one for one in different if one.source in VALIDATION),
            test=tuple(one for one in different if one.source in TEST),
        )
    )


def _example(row: Mapping[str, str]) -> Example:
    text = "; ".join(" ".join(row[column].split()) for column in ASKED)
    step = " ".join(row["Recommended Action"].split())
    answer = as_json({"severity": int(row["Severity"]), "next_step": step or None})
    return Example(TASK.name, row["Subsystem"].strip(), ENGLISH, text, answer)


SCHEMA: Schema = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "severity": {"enum": list(GRADES)},
            "next_step": {"anyOf": [{"type": "string", "maxLength": 240}, {"type": "null"}]},
        },
        "required": ["severity", "next_step"],
        "additionalProperties": False,
    }
)

TASK = Task(
    name="severity",
    load=load,
    instructions=wordings(
        (
            "Give the severity from 1 to 4 and the next step as JSON; null where none is known.",
            "How severe is this failure (1 to 4), and what is to be done? Answer in JSON.",
        ),
        (
            "以 JSON 给出严重度(1 至 4)和下一步措施,不知道时为 null。",
            "这个故障有多严重(1 至 4),下一步做什么?用 JSON 回答。",
        ),
    ),
    schema=SCHEMA,
    longest=96,
)
