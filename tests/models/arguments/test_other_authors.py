"""Requests of authors who did not know the reader, in their words, layouts and units."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.arguments import extract
from tests.support.models.columns import FIELDS

_FILE = Path(__file__).with_name("other_authors.tsv")
_LINES = [line.split("\t") for line in _FILE.read_text("utf-8").splitlines() if line[0] != "#"]


@pytest.mark.parametrize(
    ("task", "inputs", "text"), _LINES, ids=[f"{one[0]}-{n}" for n, one in enumerate(_LINES)]
)
def test_request_of_another_author_gives_the_inputs_it_states(
    task: str, inputs: str, text: str
) -> None:
    found: dict[str, Any] = {
        name: list(one.value) if isinstance(one.value, tuple) else one.value
        for name, one in extract([json.loads(text)], FIELDS[task]).first.items()
    }
    expected = json.loads(inputs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        wanted = value if isinstance(value, str) else pytest.approx(value, rel=1e-4)
        assert found[name] == wanted, name
