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
    tokens, found = order["tokens"], order["entities"]
    # As they stand in the text, the whole before its part: the set's own order follows no rule that
    # could be learned.
    places = sorted(range(len(found)), key=lambda at: (found[at]["start"], -found[at]["end"]))
    words = {at: " ".join(tokens[found[at]["start"] : found[at]["end"]]) for at in places}
    relations = sorted(
        order["relations"], key=lambda one: (places.index(one["head"]), places.index(one["tail"]))
    )
    answer = as_json(
        {
            "entities": [
                {"text": words[at], "type": found[at]["type"].partition("/")[0]} for at in places
            ],
            "relations": [
                {
                    "head": words[one["head"]],
                    "type": one["type"].rpartition("/")[2],
                    "tail": words[one["tail"]],
                }
                for one in relations
            ],
        }
    )
    return Example(TASK.name, "maintie", ENGLISH, order["text"], answer)


def as_json(value: object) -> str:
    """JSON with a blank behind each comma and colon: so an engine writes it that holds an answer to
    a schema, and what is learned must not be what is then forbidden."""
    return json.dumps(value, ensure_ascii=False)


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
        "maxItems": 12,
    }


_TEXT: Schema = MappingProxyType({"type": "string", "maxLength": 64})
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
    longest=640,
)
