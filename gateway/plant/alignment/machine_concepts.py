"""Built-in concepts of machine condition and quality, which templates of agents name."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

MACHINE = "machine"
_FILE = Path(__file__).with_name("machine_concepts.toml")


@dataclass(frozen=True, slots=True)
class MachineConcept:
    """A concept: its id, and its names by language."""

    id: str
    names: Mapping[str, str]


@cache
def machine_concepts() -> Mapping[str, MachineConcept]:
    """Return the concepts by id, read once in a process."""
    stated = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    found = {
        name: MachineConcept(name, {"en": one["en"], "zh": one["zh"]})
        for name, one in stated.items()
    }
    return MappingProxyType(found)
