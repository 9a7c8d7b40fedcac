"""Read catalog files as TOML tables."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.catalog.problems import ProblemList, advice

CATALOG_FILE = Path(__file__).parent.parent / "catalog.toml"
_SECTIONS = ("model", "service", "retired", "aliases", "upstream")
_MAX_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """One catalog file's content, with the sections in the form that the format requires.

    `name` is shown in messages. `number` is 0 for the built-in file, then counts operators' files.
    """

    name: str
    number: int = 0
    models: tuple[Mapping[str, Any], ...] = ()
    services: tuple[Mapping[str, Any], ...] = ()
    retired: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    upstreams: tuple[Mapping[str, Any], ...] = ()


def read_catalog_file(path: Path, problems: ProblemList, number: int = 0) -> CatalogFile:
    """Read a catalog file; report problems of its syntax and sections, which are then left out."""
    name = _display_name(path)
    document = _read_document(path, problems)
    for section in sorted(document.keys() - set(_SECTIONS)):
        problems.add(name, f"is an unknown section. {advice(section, _SECTIONS)}", "", section)
    return CatalogFile(
        name,
        number,
        models=_tables(path, document, "model", problems),
        services=_tables(path, document, "service", problems),
        retired=_names(path, document, "retired", problems),
        aliases=_names(path, document, "aliases", problems),
        upstreams=_tables(path, document, "upstream", problems),
    )


def _display_name(path: Path) -> str:
    """Return how messages name a file: as the operator did, the built-in one by its name."""
    return path.name if path == CATALOG_FILE else str(path)


def _read_document(path: Path, problems: ProblemList) -> Mapping[str, Any]:
    """Return the TOML document, empty if it cannot be read."""
    try:
        if path.exists() and not path.is_file():
            problems.add(_display_name(path), "it is not a file.")
            return {}
        if path.stat().st_size > _MAX_BYTES:
            problems.add(_display_name(path), f"it is larger than {_MAX_BYTES >> 20} MiB.")
            return {}
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.add(_display_name(path), f"it cannot be read ({error.strerror}).")
    except RecursionError:
        problems.add(_display_name(path), "it is nested too deeply.")
    except ValueError as error:  # syntax, encoding, and values that tomllib passes to Python
        problems.add(_display_name(path), f"{error}.")
    return {}


def _tables(
    path: Path, document: Mapping[str, Any], section: str, problems: ProblemList
) -> tuple[Mapping[str, Any], ...]:
    """Return the tables of an array such as `[[model]]`."""
    tables = document.get(section, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.add(
            _display_name(path), f"must be an array of tables: `[[{section}]]`.", "", section
        )
        return ()
    return tuple(tables)


def _names(
    path: Path, document: Mapping[str, Any], section: str, problems: ProblemList
) -> Mapping[str, str]:
    """Return a section that maps names to names."""
    table = document.get(section, {})
    if not isinstance(table, dict):
        problems.add(_display_name(path), f"must be a table: `[{section}]`.", "", section)
        return {}
    for name, value in table.items():
        if not isinstance(value, str):
            problems.add(
                _display_name(path),
                "must be the id of a model, as a text.",
                "",
                f"{section}.{name}",
            )
    return {name: value for name, value in table.items() if isinstance(value, str)}
