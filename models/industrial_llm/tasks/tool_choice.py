"""Task: choose the specialist model (tool) for a request, with its arguments.

Fills templates (tool_templates.toml) and reuses suitable examples of the routing classifier. The
test requests (tool_requests.jsonl) were written separately in other words and are never trained on;
they ship with the package, because installations evaluate new versions by them.

An argument is a plain number in the specialist's own unit, or `{"value", "unit"}` in another one: a
model of this size cannot convert units reliably. Readings in a file or an image are not arguments.
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
    DatasetSplit,
    Example,
    Task,
    detect_language,
    instructions_by_language,
)
from models.industrial_llm.splitting import remove_near_duplicates
from models.industrial_llm.tasks.extraction import dump_json
from models.industrial_llm.tasks.tools import NONE, Tool, choice_schema, list_tools
from models.routing.classifier import LANGUAGE
from models.routing.data import DEVELOPMENT, EXAMPLES, read_examples

TEMPLATES = Path(__file__).with_name("tool_templates.toml")
REQUESTS = Path(__file__).with_name("tool_requests.jsonl")
SOURCE = "own_requests"
# Requests per template with arguments. They differ only in numbers, and more wordings help more
# than more numbers: hence many templates with few fills.
FILLS_PER_TEMPLATE = 2
# Share of the routing classifier's language-model requests that is used as requests for no tool.
# With all of them, an adapter chose no tool for a sixth of the requests that needed one.
_NO_TOOL_SHARE = 1 / 3
# How often a short unit follows without a space, and a large number has a thousands comma.
_NO_SPACE_SHARE, _THOUSANDS_COMMA_SHARE, _SHORT_UNIT_LENGTH, _LARGE_NUMBER = 0.5, 0.2, 5, 10_000
# Routes whose arguments cannot be recognized in the routing classifier's examples.
_UNMARKED_ARGUMENT_ROUTES = frozenset({"tag_concept"})
# Unit names have four letters in a row, unit symbols do not.
_ENGLISH_WORD = re.compile("[a-z]{4}")

Values = Mapping[str, Any]
# From string.Formatter: literal text, field name, unit (format spec) and conversion.
_TemplatePart = tuple[str, str | None, str | None, str | None]


class Request(msgspec.Struct, frozen=True):
    """A test request with the route of its tool, or `none`, and the expected arguments."""

    text: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _FilledValue:
    """A slot's value as words and as an argument; the argument is None if the words imply none."""

    words: str
    argument: Any


def load(_directory: Path, _fold: int) -> DatasetSplit:
    """Generate all examples. No training sets are needed."""
    tools_by_route = {one.route: one for one in list_tools()}
    templates = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
    no_tool_examples = [
        _to_example(text, render_tool_call(None, {})) for text in templates.pop(NONE)["texts"]
    ]
    template_examples = [
        one
        for route, route_templates in templates.items()
        for one in _template_examples(tools_by_route[route], route_templates)
    ]
    train = [
        *template_examples,
        *no_tool_examples,
        *_routing_examples(EXAMPLES, tools_by_route, templates),
    ]
    validation = _routing_examples(DEVELOPMENT, tools_by_route, templates)
    return remove_near_duplicates(
        DatasetSplit(tuple(train), tuple(validation), tuple(_request_examples(tools_by_route)))
    )


def value_sets(templates: Mapping[str, Any]) -> Sequence[Values]:
    """Return a tool's sets of slot values; each request uses one consistent set."""
    values = templates.get("values", {})
    return values if isinstance(values, list) else [values]


def render_tool_call(tool: str | None, arguments: Mapping[str, Any]) -> str:
    """Return the expected answer: a tool and its arguments as JSON."""
    return dump_json({"tool": tool, "arguments": arguments})


def _request_examples(tools_by_route: Mapping[str, Tool]) -> Iterator[Example]:
    """Read the test requests as examples."""
    for request in msgspec.json.Decoder(Request).decode_lines(REQUESTS.read_bytes()):
        tool = None if request.tool == NONE else tools_by_route[request.tool].id
        yield _to_example(request.text, render_tool_call(tool, request.arguments))


def _routing_examples(
    path: Path, tools_by_route: Mapping[str, Tool], templates: Mapping[str, Any]
) -> Iterator[Example]:
    """Read the routing classifier's examples that need no tool, or a tool without arguments."""
    for labelled in read_examples(path):
        if labelled.task == LANGUAGE:
            if _is_sampled(labelled.text):
                yield _to_example(labelled.text, render_tool_call(None, {}))
        elif labelled.task in tools_by_route and labelled.task not in _UNMARKED_ARGUMENT_ROUTES:
            if not any(
                _has_argument(labelled.text, values)
                for values in value_sets(templates[labelled.task])
            ):
                yield _to_example(
                    labelled.text, render_tool_call(tools_by_route[labelled.task].id, {})
                )


def _is_sampled(text: str) -> bool:
    """Decide by a seed from the text whether it is sampled, so that new texts change no other."""
    return random.Random(text).random() < _NO_TOOL_SHARE  # noqa: S311


def _has_argument(text: str, values: Values) -> bool:
    """Return whether a text may state an argument: a number, or a word that stands for a value."""
    words = [
        word
        for value in values.values()
        if _is_choice_value(value)
        for word_list in value.values()
        for word in word_list
    ]
    return bool(re.search(r"\d", text)) or any(
        re.search(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", text) for word in words
    )


def _template_examples(tool: Tool, templates: Mapping[str, Any]) -> Iterator[Example]:
    """Fill each template of a tool with random values."""
    slot_sets, fields = value_sets(templates), {item.name for item in tool.fields}
    for text in templates["texts"]:
        # Seeded per template, so that adding a template changes no other example.
        generator = random.Random(text)  # noqa: S311
        parts = list(Formatter().parse(text))
        fills = FILLS_PER_TEMPLATE if any(name in fields for _, name, _, _ in parts) else 1
        unique = {
            _fill_template(tool, parts, generator.choice(slot_sets), generator)
            for _ in range(fills)
        }
        yield from sorted(unique, key=lambda item: item.text)


def _fill_template(
    tool: Tool, parts: Sequence[_TemplatePart], slots: Values, generator: random.Random
) -> Example:
    """Fill one parsed template and return the request with its tool call."""
    language = detect_language("".join(literal for literal, *_ in parts))
    filled = {
        name: _fill_value(tool, name, _restrict_to_unit(slots[name], unit), language, generator)
        for _, name, unit, _ in parts
        if name
    }
    arguments = {
        field.name: filled[field.name].argument
        for field in tool.fields
        if field.name in filled and filled[field.name].argument is not None
    }
    text = "".join(literal + (filled[name].words if name else "") for literal, name, *_ in parts)
    return _to_example(text, render_tool_call(tool.id, arguments))


def _restrict_to_unit(quantities: Any, unit: str | None) -> Any:
    """Return a quantity's value ranges in `unit`, without the unit's words; all ranges for None."""
    if not unit:
        return quantities
    return [["", unit_name, *range_] for _, unit_name, *range_ in quantities if unit_name == unit]


def _fill_value(
    tool: Tool, name: str, value: Any, language: str, generator: random.Random
) -> _FilledValue:
    """Choose a slot's value: its words in the request and its argument in the tool call."""
    if isinstance(value, list):
        usable = [candidate for candidate in value if _is_unit_used_in(candidate[0], language)]
        return _fill_quantity(tool.unit_of(name), generator.choice(usable), generator)
    if "count" in value:
        return _fill_series(value, language, generator)
    if _is_choice_value(value):
        return _fill_choice(value, language, generator)
    word = generator.choice(_words_for_language(value["words"], language))
    return _FilledValue(word, word if value.get("told", True) else None)


def _words_for_language(words: Sequence[str], language: str) -> list[str]:
    """Return the words that fit the language; Chinese words fit only Chinese requests."""
    return [word for word in words if language == CHINESE or detect_language(word) != CHINESE]


def _is_unit_used_in(unit: str, language: str) -> bool:
    """Return whether a language uses a unit's spelling: `kN` in both, `hours` only in English."""
    if language == CHINESE:
        return not _ENGLISH_WORD.search(unit)
    return detect_language(unit) != CHINESE


def _is_choice_value(value: Any) -> bool:
    """Return whether a slot is a closed list of values with their words."""
    return isinstance(value, Mapping) and "count" not in value and "words" not in value


def _fill_quantity(
    default_unit: str | None, spec: Sequence[Any], generator: random.Random
) -> _FilledValue:
    """Choose a number with its unit.

    Units other than the field's own become part of the argument.
    """
    unit_words, unit, low, high, digits = spec
    number = _round_number(generator.uniform(low, high), digits)
    argument = number if unit in (default_unit or "", "") else {"value": number, "unit": unit}
    words = _format_number(number, generator) if unit_words else str(number)
    return _FilledValue(f"{words}{_unit_separator(unit_words, generator)}{unit_words}", argument)


def _unit_separator(unit_words: str, generator: random.Random) -> str:
    """Return the space, or no space, between a number and its unit."""
    if not unit_words or unit_words == "%" or detect_language(unit_words) == CHINESE:
        return ""
    needs_space = (
        len(unit_words) > _SHORT_UNIT_LENGTH or unit_words[0].isdigit()
    )  # `1450 1/min` is no 14501
    return "" if not needs_space and generator.random() < _NO_SPACE_SHARE else " "


def _format_number(number: float, generator: random.Random) -> str:
    """Write a number, sometimes with a thousands comma."""
    return (
        f"{number:,}"
        if number >= _LARGE_NUMBER and generator.random() < _THOUSANDS_COMMA_SHARE
        else str(number)
    )


def _fill_series(value: Values, language: str, generator: random.Random) -> _FilledValue:
    """Choose a series of numbers, with a separator of the language."""
    count = generator.randint(*value["count"])
    numbers = [
        _round_number(generator.uniform(value["low"], value["high"]), value["digits"])
        for _ in range(count)
    ]
    separator = generator.choice(
        [", ", " ", "; ", "/"] if language != CHINESE else [" ", "、", ",", "/"]
    )
    return _FilledValue(separator.join(map(str, numbers)), numbers)


def _fill_choice(value: Values, language: str, generator: random.Random) -> _FilledValue:
    """Pick one of a parameter's allowed values at random, with a user's word for it."""
    chosen = generator.choice(sorted(value))
    words = [word for word in value[chosen] if detect_language(word) == language] or value[chosen]
    return _FilledValue(generator.choice(words), chosen)


def _round_number(value: float, digits: int) -> float | int:
    """Round to `digits` decimals; to an integer for 0."""
    return round(value, digits) if digits else round(value)


def _to_example(text: str, choice: str) -> Example:
    """Create an example from a request and its tool call."""
    return Example(TASK.name, SOURCE, detect_language(text), text, choice)


_TOOLS = list_tools()
TASK = Task(
    name="tool_choice",
    load=load,
    instructions=instructions_by_language(
        (
            "Choose the tool for this request and give its arguments as JSON.",
            "Which tool answers this? Reply with JSON: tool and arguments; null if none fits.",
        ),
        (
            "为这个请求选择工具,并以 JSON 给出参数。",
            "哪个工具能回答?用 JSON 回复 tool 和 arguments,都不合适时为 null。",
        ),
    ),
    labels=tuple(f"{one.id} ({one.description})" for one in _TOOLS),
    schema=choice_schema(_TOOLS),
    max_tokens=400,
)
