"""The requests of the benchmark: texts with marked values, and what must come of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

_FILE = Path(__file__).with_name("requests.tsv")
_MARK = re.compile(r"\[(?P<column>\w+)=(?P<value>[^|\]]*)\|(?P<words>[^\]]*)\]")
Value = float | str | tuple[float, ...]


class Expected(Enum):
    """What must come of a request."""

    DECISION = ""  # of the task's specialist, with the marked inputs
    QUESTION = "?"  # for missing inputs
    UNCERTAIN = "~"  # a decision whose verdict is uncertain
    NOTHING = "-"  # no specialist is called


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """A request: the specialist's task, empty if none, its text, and the inputs that it states.

    others: inputs by task, for a request that asks several specialists.
    """

    task: str
    expected: Expected
    text: str
    inputs: dict[str, Value]
    is_mixed: bool = False
    others: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


def read_requests() -> list[BenchRequest]:
    """Return all requests of the file; the first hundred are for one specialist each."""
    lines = _FILE.read_text("utf-8").splitlines()
    entries = [line.partition("\t") for line in lines if line and not line.startswith("#")]
    return [
        _to_request(mark, text, number >= 100) for number, (mark, _, text) in enumerate(entries)
    ]


def milling_request(row: dict[str, str], in_chinese: bool) -> BenchRequest:
    """Return a row of the AI4I data, with its file's column names, as a question in words."""
    values = {
        "type": row["Type"],
        "air_temperature": row["Air temperature [K]"],
        "process_temperature": row["Process temperature [K]"],
        "rotational_speed": row["Rotational speed [rpm]"],
        "torque": row["Torque [Nm]"],
        "tool_wear": row["Tool wear [min]"],
    }
    words = _CHINESE if in_chinese else _ENGLISH
    inputs = {name: _to_value(value) for name, value in values.items()}
    return BenchRequest("machine_failure", Expected.DECISION, words.format(**values), inputs)


_ENGLISH = (
    "Will the milling machine fail? Grade {type}, air temperature {air_temperature} K, process "
    "temperature {process_temperature} K, {rotational_speed} rpm, torque {torque} Nm, tool wear "
    "{tool_wear} min."
)
_CHINESE = (
    "铣床{type}级，环境温度{air_temperature}K，过程温度{process_temperature}K，"
    "转速{rotational_speed}转，扭矩{torque}牛米，刀具磨损{tool_wear}分钟，会出故障吗？"
)


def _to_request(mark: str, text: str, is_mixed: bool) -> BenchRequest:
    """Return a line of the file as a request."""
    if mark == "-":
        return BenchRequest("", Expected.NOTHING, text, {}, is_mixed)
    task = mark.rstrip("?~")
    inputs = {match["column"]: _to_value(match["value"]) for match in _MARK.finditer(text)}
    words = _MARK.sub(lambda match: match["words"], text)
    return BenchRequest(task, Expected(mark[len(task) :]), words, inputs, is_mixed)


def _to_value(text: str) -> Value:
    """Return a marked value: a number, several numbers, or a text."""
    try:
        numbers = tuple(float(part) for part in text.split())
    except ValueError:
        return text
    return numbers if len(numbers) > 1 else numbers[0]
