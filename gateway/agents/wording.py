"""Texts that agents write, by language."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("wording.toml")
_DEFAULT = "en"


def agent_text(key: str, language: str, **values: object) -> str:
    """Return a text in a language, English if it has none, with its values inserted."""
    texts = read_wording(_FILE)[key]
    return texts.get(language, texts[_DEFAULT]).format(**values)


@cache
def read_wording(file: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the texts of a file by key and language, read once in a process."""
    return tomllib.loads(file.read_text(encoding="utf-8"))
