"""The held-out requests, in five parts: each was measured before its failures were read.

The first two were written from the catalog and the signatures before the rules were read. Each part
was then used to repair the rules, but for the one by another author.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from load.bench.hosted_tools.requests import BenchRequest, Expected, Value

_FILE = Path(__file__).with_name("requests_held_out.tsv")
_MIXED = "mixed"


class Part(StrEnum):
    """Which requests, in the order in which they were measured."""

    FIRST = "r"  # half of the 260
    SECOND = "u"  # the other half
    THIRD = "n"  # written after the repair with the first
    FOURTH = "f"  # written after the repair with the third
    OTHERS = "o"  # by another author, after repairs with ten sets like it; failures never read


def read_held_out(part: Part | None = None) -> list[BenchRequest]:
    """Return the requests of the file, or those of one part."""
    lines = [line for line in _FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    entries = [line.split("\t") for line in lines]
    return [
        _to_request(expected, kind == _MIXED, json.loads(inputs), json.loads(text))
        for of, expected, _language, kind, inputs, text in entries
        if part is None or of == part.value
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
