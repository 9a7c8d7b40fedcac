"""The sets that tag-align is built from and measured on.

Owns where the files are looked for and how they read: two buildings' point names with their
classes, Brick's and the Asset Administration Shell's concepts, and term pairs in two languages.
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.tag_align.vocabulary import Concept, Scheme
from models.training_data import content
from models.workbook import sheet

POINTS = Path("tags_brick", "tags.csv")
BRICK = Path("tags_brick", "definitions.csv.gz")
SHELLS = Path("aas_dict", "aas_dict.json.gz")
TERMS = Path("camb_zh", "bitextmine.xlsx")
LEXICON = Path(__file__).with_name("lexicon.tsv")
BUILDINGS = ("SDH", "UVA")
LONGEST_TERM = 200


@dataclass(frozen=True, slots=True)
class Building:
    """Raw point names and, beside each, the id of its concept."""

    name: str
    tags: tuple[str, ...]
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermPairs:
    """Foreign terms and, beside each, the English one. Each English name is one concept."""

    terms: tuple[str, ...]
    names: tuple[str, ...]


def building(directory: Path, name: str) -> Building:
    """One building's points. Raises TrainingDataMissing."""
    rows = [row for row in _points(directory) if row["building"] == name]
    tags = tuple(row["raw_name"] for row in rows)
    return Building(name, tags, tuple(row["point_tagset"] for row in rows))


def point_concepts(directory: Path) -> list[Concept]:
    """The point classes of both buildings. Raises TrainingDataMissing."""
    ids = sorted({row["point_tagset"] for row in _points(directory)})
    return [Concept(Scheme.BUILDING_POINT, id, _spaced(id)) for id in ids]


def brick_concepts(directory: Path) -> list[Concept]:
    """Brick's classes. Raises TrainingDataMissing."""
    rows = csv.reader(io.StringIO(gzip.decompress(content(directory, BRICK)).decode()))
    ids = sorted({row[0] for row in rows if "#" in row[0]})
    return [Concept(Scheme.BRICK, id, _spaced(id.rpartition("#")[2])) for id in ids]


def shell_concepts(directory: Path) -> list[Concept]:
    """Concepts of the published submodel templates, with German names where there are any.

    Raises TrainingDataMissing.
    """
    named = [(id.strip(), _texts(one["name"])) for id, one in _shells(directory).items()]
    different = {id: names for id, names in named if names.get("en")}
    return [
        Concept(Scheme.AAS, id, names["en"], (names["de"],) if _differs(names) else ())
        for id, names in sorted(different.items())
    ]


def german_pairs(directory: Path) -> TermPairs:
    """German and English names that are not the same, each pair once whatever its case.

    Raises TrainingDataMissing.
    """
    named = [_texts(one["name"]) for one in _shells(directory).values()]
    return _pairs((names["de"], names["en"]) for names in named if _differs(names))


def chinese_pairs(directory: Path) -> TermPairs:
    """Chinese and English terms of aircraft maintenance, and some passages, of which the
    beginning is taken. Raises TrainingDataMissing."""
    _, *rows = sheet(content(directory, TERMS))
    lines = ([_one_line(text)[:LONGEST_TERM].strip() for text in row] for row in rows)
    return _pairs((chinese, english) for english, chinese in lines)


def abbreviations() -> tuple[tuple[str, str], ...]:
    """The lexicon's (abbreviation, meaning) pairs, whatever their language."""
    lines = LEXICON.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return tuple((short, meaning) for _, short, meaning in rows)


def digests(directory: Path) -> dict[str, str]:
    """sha256 of each file, as it lies there. Raises TrainingDataMissing."""
    files = (POINTS, BRICK, SHELLS, TERMS)
    return {str(file): hashlib.sha256(content(directory, file)).hexdigest() for file in files}


def _points(directory: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(directory, POINTS).decode("utf-8-sig"))))


def _shells(directory: Path) -> Mapping[str, Any]:
    document = json.loads(gzip.decompress(content(directory, SHELLS)))
    concepts: Mapping[str, Any] = document["concepts"]
    return concepts


def _texts(names: Mapping[str, str]) -> dict[str, str]:
    return {language: _one_line(text) for language, text in names.items()}


def _one_line(text: str) -> str:
    """Some names run over several lines."""
    return " ".join(text.split())


def _differs(names: Mapping[str, str]) -> bool:
    english, german = names.get("en", ""), names.get("de", "")
    return bool(english and german) and english.casefold() != german.casefold()


def _pairs(pairs: Iterable[tuple[str, str]]) -> TermPairs:
    different = {(term.casefold(), name.casefold()): (term, name) for term, name in sorted(pairs)}
    terms, names = zip(*different.values(), strict=True)
    return TermPairs(tuple(terms), tuple(names))


def _spaced(name: str) -> str:
    return name.replace("_", " ")
