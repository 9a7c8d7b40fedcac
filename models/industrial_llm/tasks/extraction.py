"""A work order as JSON: its entities, and how they are related.

Owns how MaintIE's expert annotations read, at the five top classes of entity, and the JSON schema
of the answer. Entities are told by their words, not by their place, as that is what a caller can
use: where one occurs twice it is listed twice.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.industrial_llm.examples import ENGLISH, Example, Parts, Schema, Task, wordings
from models.industrial_llm.splitting import divided
from models.industrial_llm.tasks.files import packed

FILE = Path("maint_text", "maintie", "gold_release.json.gz")
ENTITIES = ("PhysicalObject", "Activity", "State", "Process", "Property")
RELATIONS = ("hasPart", "contains", "hasPatient", "hasAgent", "hasProperty", "isA")


def load(directory: Path, _fold: int) -> Parts:
    """All orders, nearly equal ones on the same side. Raises TrainingDataMissing."""
    orders = json.loads(packed(directory, FILE))
    return divided([_example(order) for order in orders])


def _example(order: Mapping[str, Any]) -> Example:
    words = [" ".join(order["tokens"][one["start"] : one["end"]]) for one in order["entities"]]
    entities = [
        {"text": text, "type": one["type"].partition("/")[0]}
        for text, one in zip(words, order["entities"], strict=True)
    ]
    relations = [
        {
            "head": words[one["head"]],
            "type": one["type"].rpartition("/")[2],
            "tail": words[one["tail"]],
        }
        for one in order["relations"]
    ]
    answer = compact({"entities": entities, "relations": relations})
    return Example(TASK.name, "maintie", ENGLISH, order["text"], answer)


def compact(value: object) -> str:
    """JSON in as few letters as it takes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _objects(**properties: Schema) -> Schema:
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        # An answer that repeats itself would otherwise never end.
        "maxItems": 16,
    }


_TEXT: Schema = MappingProxyType({"type": "string", "maxLength": 80})
SCHEMA: Schema = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "entities": _objects(text=dict(_TEXT), type={"enum": list(ENTITIES)}),
            "relations": _objects(
                head=dict(_TEXT), type={"enum": list(RELATIONS)}, tail=dict(_TEXT)
            ),
        },
        "required": ["entities", "relations"],
        "additionalProperties": False,
    }
)

TASK = Task(
    name="extraction",
    load=load,
    instructions=wordings(
        (
            "Give the entities and relations of this work order as JSON.",
            "Extract entities and their relations as JSON.",
        ),
        ("以 JSON 给出这条工单中的实体和关系。", "抽取实体及关系,输出 JSON。"),
    ),
    schema=SCHEMA,
    longest=384,
)
