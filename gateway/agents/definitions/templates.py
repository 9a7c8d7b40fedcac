"""Templates of agents: definitions with a place for the asset, read from TOML files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class AgentTemplate:
    """A template: its id, its title and description by language, and the fields of a definition.

    rule_names: by language, the names of rules as people read them, by their name.
    """

    id: str
    titles: Mapping[str, str]
    descriptions: Mapping[str, str]
    fields: Mapping[str, Any]
    rule_names: Mapping[str, Mapping[str, str]]

    def for_asset(self, asset: str, name: str) -> dict[str, Any]:
        """Return the fields of a definition for an asset."""
        return {**self.fields, "template": self.id, "asset": asset, "name": name}


def rule_title(template: str, rule: str, language: str) -> str:
    """Return the name of a template's rule in a language; names without one are as they are."""
    found = read_templates().get(template)
    return rule if found is None else found.rule_names.get(language, {}).get(rule, rule)


@cache
def read_templates() -> Mapping[str, AgentTemplate]:
    """Return all templates by id, in the order of their files."""
    return MappingProxyType({path.stem: _read(path) for path in sorted(_FOLDER.glob("*.toml"))})


def _read(path: Path) -> AgentTemplate:
    """Return the template of a file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    about = document.pop("about")
    names = about.get("rules", {})
    return AgentTemplate(path.stem, about["title"], about["description"], document, names)
