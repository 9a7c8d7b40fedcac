"""The words of tag lists in English and Chinese (words.toml): columns, types of values, levels."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from gateway.plant.assets.values import AssetLevel, DataType

_FILE = Path(__file__).with_name("words.toml")


@dataclass(frozen=True, slots=True)
class Words:
    """The meaning of each word: field of a column, type of values, or level."""

    columns: Mapping[str, str]
    data_types: Mapping[str, DataType]
    levels: Mapping[str, AssetLevel]


@cache
def load_words() -> Words:
    """Return the words, read once in a process."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    return Words(
        _by_word(tables["columns"]),
        {word: DataType(name) for word, name in _by_word(tables["data_types"]).items()},
        {word: AssetLevel(name) for word, name in _by_word(tables["levels"]).items()},
    )


def _by_word(table: Mapping[str, list[str]]) -> Mapping[str, str]:
    """Return the name that each word stands for."""
    return MappingProxyType({word: name for name, words in table.items() for word in words})
