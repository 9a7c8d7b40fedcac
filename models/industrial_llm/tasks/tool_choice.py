"""Which specialist a request is meant for, and with which arguments.

Owns filling our templates (tool_templates.toml), what of routing's examples serves as well, and the
form of an answer. The requests that are judged by (tool_requests.jsonl) were written apart, in
other words, and are never learned; an installation has them too, as it judges new versions by them.

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
# A template with arguments gives so many requests; the numbers differ, the words do not. More words
# teach more than more numbers do: hence many templates, each filled seldom.
FILLS = 2
# Of routing's requests for the language model so many are learned, as requests for no tool. With
# all of them a quarter were for none, and one adapter said so of every sixth that was for a tool.
_FOR_NONE = 1 / 3
# How often a short unit is written without a space before it, and a large number with a comma.
_GLUED, _GROUPED, _SHORT, _LARGE = 0.5, 0.2, 5, 10_000
# In routing's examples tags and kinds of bearing stand unmarked in the sentence.
_UNMARKED = frozenset({"tag_concept"})
# What no symbol of a unit has, but each of their names.
_ENGLISH_WORD = re.compile("[a-z]{4}")

Values = Mapping[str, Any]
# Of a template: what stands before a field, the field, and the unit that it is wanted in.
_Part = tuple[str, str | None, str | None, str | None]


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
    unfit = [_example(text, answer(None, {})) for text in templates.pop(NONE)["texts"]]
    filled = [
        one for route, some in templates.items() for one in _of_templates(offered[route], some)
    ]
    learned = [*filled, *unfit, *_of_routing(EXAMPLES, offered, templates)]
    watched = _of_routing(DEVELOPMENT, offered, templates)
    return apart(Parts(tuple(learned), tuple(watched), tuple(_of_requests(offered))))


def value_sets(templates: Mapping[str, Any]) -> Sequence[Values]:
    """By what a tool's templates are filled: one set for a request, so that its values fit."""
    found = templates.get("values", {})
    return found if isinstance(found, list) else [found]


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
            if _is_taken(one.text):
                yield _example(one.text, answer(None, {}))
        elif one.task in offered and one.task not in _UNMARKED:
            if not any(_states(one.text, values) for values in value_sets(templates[one.task])):
                yield _example(one.text, answer(offered[one.task].id, {}))


def _is_taken(text: str) -> bool:
    """By chance, the same for the same words: adding others changes none of it."""
    return random.Random(text).random() < _FOR_NONE  # noqa: S311


def _states(text: str, values: Values) -> bool:
    """Whether an argument may be in the text: a number, or a word that is one."""
    words = [
        word for one in values.values() if _is_choice(one) for some in one.values() for word in some
    ]
    return bool(re.search(r"\d", text)) or any(
        re.search(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", text) for word in words
    )


def _of_templates(tool: Tool, templates: Mapping[str, Any]) -> Iterator[Example]:
    sets, fields = value_sets(templates), {one.name for one in tool.fields}
    for text in templates["texts"]:
        # Seeded by the template: adding another one changes none of the rest.
        chance = random.Random(text)  # noqa: S311
        parts = list(Formatter().parse(text))
        fills = FILLS if any(name in fields for _, name, _, _ in parts) else 1
        different = {_filled(tool, parts, chance.choice(sets), chance) for _ in range(fills)}
        yield from sorted(different, key=lambda one: one.text)


def _filled(tool: Tool, parts: Sequence[_Part], values: Values, chance: random.Random) -> Example:
    language = language_of("".join(literal for literal, *_ in parts))
    said = {
        name: _said(tool, name, _in_unit(values[name], unit), language, chance)
        for _, name, unit, _ in parts
        if name
    }
    arguments = {
        field.name: said[field.name].argument
        for field in tool.fields
        if field.name in said and said[field.name].argument is not None
    }
    text = "".join(literal + (said[name].words if name else "") for literal, name, *_ in parts)
    return _example(text, answer(tool.id, arguments))


def _in_unit(value: Any, unit: str | None) -> Any:
    """Of a quantity's ways to be said those in this unit, without saying it; all where none is."""
    if not unit:
        return value
    return [["", told, *range_] for _, told, *range_ in value if told == unit]


def _said(tool: Tool, name: str, value: Any, language: str, chance: random.Random) -> _Said:
    if isinstance(value, list):
        usable = [one for one in value if _is_said(one[0], language)]
        return _quantity(tool.unit(name), chance.choice(usable), chance)
    if "count" in value:
        return _series(value, language, chance)
    if _is_choice(value):
        return _choice(value, language, chance)
    word = chance.choice(_usable(value["words"], language))
    return _Said(word, word if value.get("told", True) else None)


def _usable(words: Sequence[str], language: str) -> list[str]:
    """Chinese words stand in Chinese requests only."""
    return [one for one in words if language == CHINESE or language_of(one) != CHINESE]


def _is_said(unit: str, language: str) -> bool:
    """Whether people say a unit so: `kN` in both languages, but `hours` in English alone."""
    if language == CHINESE:
        return not _ENGLISH_WORD.search(unit)
    return language_of(unit) != CHINESE


def _is_choice(value: Any) -> bool:
    return isinstance(value, Mapping) and "count" not in value and "words" not in value


def _quantity(own: str | None, spec: Sequence[Any], chance: random.Random) -> _Said:
    said, unit, least, most, digits = spec
    number = _number(chance.uniform(least, most), digits)
    argument = number if unit in (own or "", "") else {"value": number, "unit": unit}
    words = _written(number, chance) if said else str(number)
    return _Said(f"{words}{_space(said, chance)}{said}", argument)


def _space(said: str, chance: random.Random) -> str:
    if not said or said == "%" or language_of(said) == CHINESE:
        return ""
    parted = len(said) > _SHORT or said[0].isdigit()  # `1450 1/min` is no 14501
    return "" if not parted and chance.random() < _GLUED else " "


def _written(number: float, chance: random.Random) -> str:
    return f"{number:,}" if number >= _LARGE and chance.random() < _GROUPED else str(number)


def _series(value: Values, language: str, chance: random.Random) -> _Said:
    count = chance.randint(*value["count"])
    numbers = [
        _number(chance.uniform(value["low"], value["high"]), value["digits"]) for _ in range(count)
    ]
    between = chance.choice(
        [", ", " ", "; ", "/"] if language != CHINESE else [" ", "、", ",", "/"]
    )
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
