"""The held-out requests: written from the catalog and the signatures before the rules were read.

One half was used to repair the rules, the other one was measured once, at the end.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from load.bench.hosted_tools.requests import BenchRequest, Expected, Value

_FILE = Path(__file__).with_name("requests_held_out.tsv")
_MIXED = "mixed"


class Half(StrEnum):
    """Which requests."""

    REPAIR = "r"
    UNTOUCHED = "u"


def read_held_out(half: Half | None = None) -> list[BenchRequest]:
    """Return the requests of the file, or those of one half."""
    lines = [line for line in _FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    entries = [line.split("\t") for line in lines]
    return [
        _to_request(expected, kind == _MIXED, json.loads(inputs), json.loads(text))
        for of, expected, _language, kind, inputs, text in entries
        if half is None or of == half.value
    ]


def _to_request(mark: str, is_mixed: bool, inputs: Mapping[str, Any], text: str) -> BenchRequest:
    """Return a line as a request; `a+b` is one for two specialists."""
    task = mark.rstrip("?~-")
    first, _, second = task.partition("+")
    stated = inputs[first] if second else inputs
    others = {second: _values(inputs[second])} if second else {}
    expected = Expected(mark[len(task) :])
    return BenchRequest(first, expected, text, _values(stated), is_mixed, others)


def _values(inputs: Mapping[str, Any]) -> dict[str, Value]:
    """Return inputs in the form of the scoring."""
    return {name: tuple(one) if isinstance(one, list) else one for name, one in inputs.items()}
