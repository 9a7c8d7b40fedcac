"""Task: extract the entities and relations of a work order as JSON.

Reads MaintIE's expert annotations at the five top entity classes. Entities are identified by their
words, not by position, because callers use the words; an entity that occurs twice is listed twice.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.industrial_llm.examples import (
    ENGLISH,
    DatasetSplit,
    Example,
    Schema,
    Task,
    instructions_by_language,
)
from models.industrial_llm.splitting import split_by_group
from models.industrial_llm.tasks.files import read_data_file

FILE = Path("maint_text", "maintie", "gold_release.json.gz")
ENTITIES = ("PhysicalObject", "Activity", "State", "Process", "Property")
RELATIONS = ("hasPart", "contains", "hasPatient", "hasAgent", "hasProperty", "isA")


def load(directory: Path, _fold: int) -> DatasetSplit:
    """Load MaintIE's work orders. Raises TrainingDataMissing.

    Near duplicates are in the same part.
    """
    orders = json.loads(read_data_file(directory, FILE))
    return split_by_group([_to_example(order) for order in orders])


def _to_example(order: Mapping[str, Any]) -> Example:
    """Convert an annotated work order to an example with a JSON answer."""
    tokens, entities = order["tokens"], order["entities"]
    # In text order, longer entities first: the data set's own order follows no rule that a model
    # could learn.
    ordered = sorted(
        range(len(entities)), key=lambda index: (entities[index]["start"], -entities[index]["end"])
    )
    words = {
        index: " ".join(tokens[entities[index]["start"] : entities[index]["end"]])
        for index in ordered
    }
    relations = sorted(
        order["relations"],
        key=lambda relation: (ordered.index(relation["head"]), ordered.index(relation["tail"])),
    )
    answer = dump_json(
        {
            "entities": [
                {"text": words[index], "type": entities[index]["type"].partition("/")[0]}
                for index in ordered
            ],
            "relations": [
                {
                    "head": words[relation["head"]],
                    "type": relation["type"].rpartition("/")[2],
                    "tail": words[relation["tail"]],
                }
                for relation in relations
            ],
        }
    )
    return Example(TASK.name, "maintie", ENGLISH, order["text"], answer)


def dump_json(value: object) -> str:
    """Serialize to JSON with a space after each comma and colon.

    Engines write this form under a JSON schema, so the model must be trained on the same form.
    """
    return json.dumps(value, ensure_ascii=False)


def _object_array_schema(**properties: Schema) -> Schema:
    """Return the schema of an array of objects with these required properties."""
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        # Limited, because a repeating answer would never end.
        "maxItems": 12,
    }


_TEXT_SCHEMA: Schema = MappingProxyType({"type": "string", "maxLength": 64})
SCHEMA: Schema = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "entities": _object_array_schema(
                text=dict(_TEXT_SCHEMA), type={"enum": list(ENTITIES)}
            ),
            "relations": _object_array_schema(
                head=dict(_TEXT_SCHEMA), type={"enum": list(RELATIONS)}, tail=dict(_TEXT_SCHEMA)
            ),
        },
        "required": ["entities", "relations"],
        "additionalProperties": False,
    }
)

TASK = Task(
    name="extraction",
    load=load,
    instructions=instructions_by_language(
        (
            "Give the entities and relations of this work order as JSON.",
            "Extract entities and their relations as JSON.",
        ),
        ("以 JSON 给出这条工单中的实体和关系。", "抽取实体及关系,输出 JSON。"),
    ),
    schema=SCHEMA,
    max_tokens=640,
)
