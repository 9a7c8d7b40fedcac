"""Which specialist a request is meant for, and with which arguments.

Owns filling our templates (tool_templates.toml), what of routing's examples serves as well, and the
form of an answer. The requests that are judged by (tool_requests.jsonl) were written apart, in
other words, and are never learned; an installation has them too, as it judges new versions by them.
Does not own which tools there are (tools.py).

An argument is a plain number in the specialist's own unit, or `{"value", "unit"}` in another one: a
model of this size cannot be trusted to convert. Readings in a file or a picture are no arguments.
"""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec

from models.industrial_llm.examples import (
    CHINESE,
    Example,
    Parts,
    Task,
    language_of,
    wordings,
)
from models.industrial_llm.splitting import apart
from models.industrial_llm.tasks.extraction import as_json
from models.industrial_llm.tasks.tools import NONE, Tool, choice_schema, tools
from models.routing.classifier import LANGUAGE
from models.routing.data import DEVELOPMENT, EXAMPLES, read_examples

TEMPLATES = Path(__file__).with_name("tool_templates.toml")
REQUESTS = Path(__file__).with_name("tool_requests.jsonl")
SOURCE = "own_requests"
# A template with numbers gives so many requests; the numbers differ, the words do not.
FILLS = 6
# In routing's examples tags and kinds of bearing stand unmarked in the sentence.
_UNMARKED = frozenset({"tag_concept"})

Values = Mapping[str, Any]


class Request(msgspec.Struct, frozen=True):
    """A request with the tool that it is meant for, by its route, or `none`."""

    text: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Said:
    """A value in words, and as an argument; None where it is none."""

    words: str
    argument: Any


def load(_directory: Path, _fold: int) -> Parts:
    """All requests. They are our own: nothing is needed of the training sets."""
    offered = {one.route: one for one in tools()}
    templates = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
    filled = [
        one for route, some in templates.items() for one in _of_templates(offered[route], some)
    ]
    learned = [*filled, *_of_routing(EXAMPLES, offered, templates)]
    watched = _of_routing(DEVELOPMENT, offered, templates)
    return apart(Parts(tuple(learned), tuple(watched), tuple(_of_requests(offered))))


def answer(tool: str | None, arguments: Mapping[str, Any]) -> str:
    """The JSON of a choice."""
    return as_json({"tool": tool, "arguments": arguments})


def _of_requests(offered: Mapping[str, Tool]) -> Iterator[Example]:
    for one in msgspec.json.Decoder(Request).decode_lines(REQUESTS.read_bytes()):
        tool = None if one.tool == NONE else offered[one.tool].id
        yield _example(one.text, answer(tool, one.arguments))


def _of_routing(
    path: Path, offered: Mapping[str, Tool], templates: Mapping[str, Any]
) -> Iterator[Example]:
    """Routing's requests that are for no tool, or for one and state no argument."""
    for one in read_examples(path):
        if one.task == LANGUAGE:
            yield _example(one.text, answer(None, {}))
        elif one.task in offered and not _states(one.text, templates[one.task].get("values", {})):
            if one.task not in _UNMARKED:
                yield _example(one.text, answer(offered[one.task].id, {}))


def _states(text: str, values: Values) -> bool:
    """Whether an argument may be in the text: a number, or a word that is one."""
    words = [
        word for one in values.values() if _is_choice(one) for some in one.values() for word in some
    ]
    return bool(re.search(r"\d", text)) or any(
        re.search(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", text) for word in words
    )


def _of_templates(tool: Tool, templates: Values) -> Iterator[Example]:
    values = templates.get("values", {})
    for text in templates["texts"]:
        # Seeded by the template: adding another one changes none of the rest.
        chance = random.Random(text)  # noqa: S311
        different = {_filled(tool, text, values, chance) for _ in range(FILLS)}
        yield from sorted(different, key=lambda one: one.text)


def _filled(tool: Tool, text: str, values: Values, chance: random.Random) -> Example:
    language = language_of(text)
    said = {
        name: _said(tool, name, values[name], language, chance)
        for _, name, _, _ in Formatter().parse(text)
        if name
    }
    arguments = {
        field.name: said[field.name].argument
        for field in tool.fields
        if field.name in said and said[field.name].argument is not None
    }
    words = {name: one.words for name, one in said.items()}
    return _example(text.format_map(words), answer(tool.id, arguments))


def _said(tool: Tool, name: str, value: Any, language: str, chance: random.Random) -> _Said:
    if isinstance(value, list):
        usable = [one for one in value if language == CHINESE or language_of(one[0]) != CHINESE]
        return _quantity(tool.unit(name), chance.choice(usable), chance)
    if "count" in value:
        return _series(value, language, chance)
    if _is_choice(value):
        return _choice(value, language, chance)
    word = chance.choice(value["words"])
    return _Said(word, word if value.get("told", True) else None)


def _is_choice(value: Any) -> bool:
    return isinstance(value, Mapping) and "count" not in value and "words" not in value


def _quantity(own: str | None, spec: Sequence[Any], chance: random.Random) -> _Said:
    said, unit, least, most, digits = spec
    number = _number(chance.uniform(least, most), digits)
    space = "" if not said or said == "%" or language_of(said) == CHINESE else " "
    argument = number if unit in (own or "", "") else {"value": number, "unit": unit}
    return _Said(f"{number}{space}{said}", argument)


def _series(value: Values, language: str, chance: random.Random) -> _Said:
    count = chance.randint(*value["count"])
    numbers = [
        _number(chance.uniform(value["low"], value["high"]), value["digits"]) for _ in range(count)
    ]
    between = chance.choice([", ", " ", "; "] if language != CHINESE else [" ", "、", ","])
    return _Said(between.join(map(str, numbers)), numbers)


def _choice(value: Values, language: str, chance: random.Random) -> _Said:
    chosen = chance.choice(sorted(value))
    words = [one for one in value[chosen] if language_of(one) == language] or value[chosen]
    return _Said(chance.choice(words), chosen)


def _number(value: float, digits: int) -> float | int:
    return round(value, digits) if digits else round(value)


def _example(text: str, choice: str) -> Example:
    return Example(TASK.name, SOURCE, language_of(text), text, choice)


_OFFERED = tools()
TASK = Task(
    name="tool_choice",
    load=load,
    instructions=wordings(
        (
            "Choose the tool for this request and give its arguments as JSON.",
            "Which tool answers this? Reply with JSON: tool and arguments; null if none fits.",
        ),
        (
            "为这个请求选择工具,并以 JSON 给出参数。",
            "哪个工具能回答?用 JSON 回复 tool 和 arguments,都不合适时为 null。",
        ),
    ),
    labels=tuple(f"{one.id} ({one.description})" for one in _OFFERED),
    schema=choice_schema(_OFFERED),
    longest=400,
)
