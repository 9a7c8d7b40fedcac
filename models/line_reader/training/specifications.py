"""Generated specifications: items by quantities, in tables, sections, sentences and lists.

They teach that a line must be of the item and of the quantity asked for: documents on machines have
many lines that differ only in one of both. The quantities with what people ask are in
quantities.tsv: name in Chinese and English, value, questions in Chinese and in English.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from models.line_reader.lines import Line, split_lines
from models.line_reader.training.documents import Asked, TrainingDocument

_QUANTITIES = Path(__file__).with_name("quantities.tsv")
_KINDS = (
    ("循环泵", "circulating pump"),
    ("离心风机", "fan"),
    ("破碎机", "crusher"),
    ("带式输送机", "belt conveyor"),
    ("冷却塔", "cooling tower"),
    ("液压机", "hydraulic press"),
    ("搅拌机", "mixer"),
    ("行车", "crane"),
    ("锅炉", "boiler"),
    ("包装机", "packing machine"),
)
_CHINESE_VALUES: Mapping[str, str] = MappingProxyType(
    {
        "every {n} h": "每 {n} h",
        "every {n} months": "每 {n} 个月",
        "{n} months": "{n} 个月",
        "{n} weeks": "{n} 周",
        "{n} pieces/h": "每小时 {n} 件",
        "{n} pieces": "{n} 件",
        "{n} drops/min": "每分钟 {n} 滴",
        "20{y}": "20{y} 年",
    }
)
_LETTERS = "ABCDEFGHKLMNPRSTVWXYZ"
_PRESENT, _ABSENT, _ANSWERED, _OTHER_LINES = 14, 6, 22, 18


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity: its name and its questions by language, and the form of its value."""

    names: tuple[str, str]
    value: str
    questions: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(slots=True)
class _Sheet:
    """A specification as it grows: rows, and the heading and row that answer for a pair."""

    is_chinese: bool
    items: Sequence[str]
    rng: random.Random
    rows: list[str] = field(default_factory=list)
    answers: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)


def read_quantities() -> list[Quantity]:
    """Read the quantities."""
    found = []
    for row in _QUANTITIES.read_text(encoding="utf-8").splitlines():
        chinese, english, value, asks, english_asks = row.split("\t")
        questions = tuple(asks.split(";")), tuple(english_asks.split(";"))
        found.append(Quantity((chinese, english), value, questions))
    return found


def generate(count: int, seed: int, others: Sequence[Line]) -> Iterator[TrainingDocument]:
    """Yield specifications, each followed by some of the `others`, lines of unlike documents."""
    rng, quantities = random.Random(seed), read_quantities()  # noqa: S311 - no secret
    for number in range(count):
        yield _generate(f"specification/{number}", rng, quantities, others)


def _generate(
    name: str, rng: random.Random, quantities: Sequence[Quantity], others: Sequence[Line]
) -> TrainingDocument:
    is_chinese, kind = rng.random() < 0.55, rng.choice(_KINDS)
    sheet = _Sheet(is_chinese, _draw_items(rng, kind[0 if is_chinese else 1]), rng)
    drawn = rng.sample(range(len(quantities)), _PRESENT + _ABSENT)
    present, absent = drawn[:_PRESENT], drawn[_PRESENT:]
    while present:
        size = rng.randint(3, 6)
        rng.choice((_table, _sections, _sentences))(sheet, present[:size], quantities)
        present = present[size:]
    lines = split_lines("\n".join(sheet.rows))
    asked = []
    for index, item in rng.sample(sorted(sheet.answers), min(_ANSWERED, len(sheet.answers))):
        heading, row = sheet.answers[index, item]
        shown = f"{heading} | "
        found = (
            n for n, one in enumerate(lines) if one.text == row and one.shown.startswith(shown)
        )
        asked.append(Asked(_ask(sheet, quantities[index], item), frozenset(found)))
    asked += [
        Asked(_ask(sheet, quantities[index], rng.choice(sheet.items)), frozenset())
        for index in absent
    ]
    more = rng.sample(list(others), min(_OTHER_LINES, len(others)))
    return TrainingDocument(name, (*lines, *more), tuple(asked))


def _draw_items(rng: random.Random, kind: str) -> list[str]:
    """Return two or three items of a family: by code, by number or by letter."""
    count, style = rng.choice((2, 2, 3)), rng.random()
    if style < 0.5:
        prefix = "".join(rng.choice(_LETTERS) for _ in range(rng.randint(1, 3)))
        numbers = rng.sample(range(2, 900), count)
        return [f"{prefix}{rng.choice(('-', ''))}{number}" for number in numbers]
    if style < 0.75:
        return [f"{kind} {number}" for number in sorted(rng.sample(range(1, 9), count))]
    return [f"{kind} {letter}" for letter in "ABC"[:count]]


def _table(sheet: _Sheet, indices: Sequence[int], quantities: Sequence[Quantity]) -> None:
    """Add a table with a column for each item."""
    heading = "参数" if sheet.is_chinese else "Data"
    first = "项目" if sheet.is_chinese else "Item"
    sheet.rows += [f"# {heading}", f"| {' | '.join((first, *sheet.items))} |", "|---|"]
    for index in indices:
        values = " | ".join(_draw_value(sheet, quantities[index]) for _ in sheet.items)
        row = f"| {_name(sheet, quantities[index])} | {values} |"
        sheet.rows.append(row)
        sheet.answers |= {(index, item): (heading, row) for item in sheet.items}
    sheet.rows.append("")


def _sections(sheet: _Sheet, indices: Sequence[int], quantities: Sequence[Quantity]) -> None:
    """Add a section for each item, whose lines do not name it."""
    mark = sheet.rng.choice(("- ", ""))
    for item in sheet.items:
        sheet.rows.append(f"# {item}")
        for index in indices:
            colon = "：" if sheet.is_chinese else ": "
            value = _draw_value(sheet, quantities[index])
            row = f"{mark}{_name(sheet, quantities[index])}{colon}{value}"
            sheet.rows.append(row)
            sheet.answers[index, item] = item, row
    sheet.rows.append("")


def _sentences(sheet: _Sheet, indices: Sequence[int], quantities: Sequence[Quantity]) -> None:
    """Add a sentence for each quantity and item."""
    heading = "说明" if sheet.is_chinese else "Notes"
    sheet.rows.append(f"# {heading}")
    for index in indices:
        for item in sheet.items:
            name, value = _name(sheet, quantities[index]), _draw_value(sheet, quantities[index])
            row = (
                f"{item} 的{name}是 {value}。"
                if sheet.is_chinese
                else f"The {name} of {item} is {value}."
            )
            sheet.rows.append(row)
            sheet.answers[index, item] = heading, row


def _name(sheet: _Sheet, quantity: Quantity) -> str:
    return quantity.names[0 if sheet.is_chinese else 1]


def _draw_value(sheet: _Sheet, quantity: Quantity) -> str:
    rng = sheet.rng
    form = _CHINESE_VALUES.get(quantity.value, quantity.value)
    whole = rng.choice((rng.randint(2, 40), rng.randint(20, 200), rng.randint(1, 60) * 10))
    decimal, year = f"{rng.randint(1, 95) / 10:.1f}", rng.randint(10, 25)
    return (form if sheet.is_chinese else quantity.value).format(n=whole, d=decimal, y=year)


def _ask(sheet: _Sheet, quantity: Quantity, item: str) -> str:
    """Return a question, mostly in the language of the document, as people type it."""
    rng = sheet.rng
    language = 0 if (rng.random() < 0.7) == sheet.is_chinese else 1
    words = rng.choice((*quantity.questions[language], quantity.names[language]))
    if item[0].isascii() and item[0].isupper() and rng.random() < 0.4:
        item = rng.choice((item.replace("-", ""), item.lower(), item.replace("-", " ")))
    forms = ("{0} 的{1}", "{0}{1}", "{1}？{0}") if language == 0 else ("{1} of {0}", "{0}: {1}")
    return rng.choice(forms).format(item, words)
