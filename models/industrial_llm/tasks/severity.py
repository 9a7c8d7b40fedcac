"""Task: give a failure's severity and the next step, from a failure mode and effects analysis.

Reads the rows of the FMEA data set. Whole subsystems are held out, because parts of one subsystem
share their wording.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from models.industrial_llm.examples import (
    ENGLISH,
    DatasetSplit,
    Example,
    Schema,
    Task,
    instructions_by_language,
)
from models.industrial_llm.splitting import remove_near_duplicates
from models.industrial_llm.tasks.extraction import dump_json
from models.industrial_llm.tasks.files import read_csv_rows

FILE = Path("maint_text", "fmea", "fmea_dataset_filled.csv")
VALIDATION = frozenset({"Fire Suppression System", "Load Frame"})
TEST = frozenset({"Hydraulic System", "Power Frame"})
GRADES = (1, 2, 3, 4)
QUESTION_COLUMNS = (
    "Component",
    "Sub-Component",
    "Potential Failure Mode",
    "Potential Effect(s) of Failure",
)


def load(directory: Path, _fold: int) -> DatasetSplit:
    """Load all rows, split by subsystem. Raises TrainingDataMissing."""
    examples = [_to_example(row) for row in read_csv_rows(directory, FILE)]
    unique = list({example.text: example for example in reversed(examples)}.values())[::-1]
    return remove_near_duplicates(
        DatasetSplit(
            train=tuple(example for example in unique if example.source not in VALIDATION | TEST),
            validation=tuple(example for example in unique if example.source in VALIDATION),
            test=tuple(example for example in unique if example.source in TEST),
        )
    )


def _to_example(row: Mapping[str, str]) -> Example:
    """Create an example from a row of the analysis."""
    text = "; ".join(" ".join(row[column].split()) for column in QUESTION_COLUMNS)
    step = " ".join(row["Recommended Action"].split())
    answer = dump_json({"severity": int(row["Severity"]), "next_step": step or None})
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
    instructions=instructions_by_language(
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
    max_tokens=96,
)
