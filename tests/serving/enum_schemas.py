"""A schema with one enum value, and stream events of its responses."""

import json

from serving.text.enum_answers import EnumAnswer

MODES = ["Leaking", "Fail to open", "Plugged / choked"]
VALUE = {"type": "string", "enum": MODES}
OBJECT = {
    "type": "object",
    "properties": {"failure_mode": VALUE},
    "required": ["failure_mode"],
    "additionalProperties": False,
}

PREFIX = " "
WRAPPED = EnumAnswer(tuple(MODES), "failure_mode", PREFIX)


def event(text: str | None, finish: str | None = None, index: int = 0) -> str:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice], 'usage': None})}\n\n"
