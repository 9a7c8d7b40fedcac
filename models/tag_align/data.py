"""Read the data sets that tag-align is built from and evaluated on.

They are point names of two buildings with their classes, the concepts of Brick and the Asset
Administration Shell, and translated term pairs in German and Chinese.
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
from models.training_data import read_training_set
from models.workbook import read_first_sheet

POINTS = Path("tags_brick", "tags.csv")
BRICK = Path("tags_brick", "definitions.csv.gz")
SHELLS = Path("aas_dict", "aas_dict.json.gz")
TERMS = Path("camb_zh", "bitextmine.xlsx")
# Read by path_data.py: the rooms of one building, and a third building as a Brick model.
ROOMS = Path("tags_brick", "uva_cse_point_map.csv")
SODA = Path("tags_brick", "soda_brick.ttl.gz")
LEXICON = Path(__file__).with_name("lexicon.tsv")
BUILDINGS = ("SDH", "UVA")
MAX_TERM_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Building:
    """The raw point names of a building and the concept id of each."""

    name: str
    tags: tuple[str, ...]
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermPairs:
    """Foreign terms and the English name of each; each English name is one concept."""

    terms: tuple[str, ...]
    names: tuple[str, ...]


def building(directory: Path, name: str) -> Building:
    """Read the labelled points of one building. Raises TrainingDataMissing."""
    rows = [row for row in _read_points(directory) if row["building"] == name]
    tags = tuple(row["raw_name"] for row in rows)
    return Building(name, tags, tuple(row["point_tagset"] for row in rows))


def point_concepts(directory: Path) -> list[Concept]:
    """Read the point classes of both buildings. Raises TrainingDataMissing."""
    ids = sorted({row["point_tagset"] for row in _read_points(directory)})
    return [Concept(Scheme.BUILDING_POINT, id, _replace_underscores(id)) for id in ids]


def brick_concepts(directory: Path) -> list[Concept]:
    """Read the classes of Brick. Raises TrainingDataMissing."""
    rows = csv.reader(io.StringIO(gzip.decompress(read_training_set(directory, BRICK)).decode()))
    ids = sorted({row[0] for row in rows if "#" in row[0]})
    return [Concept(Scheme.BRICK, id, _replace_underscores(id.rpartition("#")[2])) for id in ids]


def shell_concepts(directory: Path) -> list[Concept]:
    """Read the concepts of the published AAS submodel templates, with German names as aliases.

    Raises TrainingDataMissing.
    """
    named = [
        (id.strip(), _normalize_names(concept["name"]))
        for id, concept in _read_shell_concepts(directory).items()
    ]
    with_english_name = {id: names for id, names in named if names.get("en")}
    return [
        Concept(
            Scheme.AAS, id, names["en"], (names["de"],) if _has_different_german_name(names) else ()
        )
        for id, names in sorted(with_english_name.items())
    ]


def german_pairs(directory: Path) -> TermPairs:
    """Read German terms with different English names, each pair once regardless of case.

    Raises TrainingDataMissing.
    """
    named = [
        _normalize_names(concept["name"]) for concept in _read_shell_concepts(directory).values()
    ]
    return _unique_pairs(
        (names["de"], names["en"]) for names in named if _has_different_german_name(names)
    )


def chinese_pairs(directory: Path) -> TermPairs:
    """Read Chinese and English terms of aircraft maintenance, truncated to MAX_TERM_LENGTH.

    Raises TrainingDataMissing.
    """
    _, *rows = read_first_sheet(read_training_set(directory, TERMS))
    lines = ([_join_lines(text)[:MAX_TERM_LENGTH].strip() for text in row] for row in rows)
    return _unique_pairs((chinese, english) for english, chinese in lines)


def abbreviations() -> tuple[tuple[str, str], ...]:
    """Read the (abbreviation, meaning) pairs of the lexicon, in all languages."""
    lines = LEXICON.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return tuple((short, meaning) for _, short, meaning in rows)


def digests(directory: Path) -> dict[str, str]:
    """Return the SHA-256 digest of each data set file by its path. Raises TrainingDataMissing."""
    files = (POINTS, BRICK, SHELLS, TERMS, ROOMS, SODA)
    return {
        str(file): hashlib.sha256(read_training_set(directory, file)).hexdigest() for file in files
    }


def _read_points(directory: Path) -> list[dict[str, str]]:
    """Read the labelled points of all buildings."""
    return list(
        csv.DictReader(io.StringIO(read_training_set(directory, POINTS).decode("utf-8-sig")))
    )


def _read_shell_concepts(directory: Path) -> Mapping[str, Any]:
    """Read the AAS concepts by id."""
    document = json.loads(gzip.decompress(read_training_set(directory, SHELLS)))
    concepts: Mapping[str, Any] = document["concepts"]
    return concepts


def _normalize_names(names: Mapping[str, str]) -> dict[str, str]:
    """Join the lines of a concept's names, by language."""
    return {language: _join_lines(text) for language, text in names.items()}


def _join_lines(text: str) -> str:
    """Join a name that spans several lines."""
    return " ".join(text.split())


def _has_different_german_name(names: Mapping[str, str]) -> bool:
    """Whether a concept has a German name that differs from the English one."""
    english, german = names.get("en", ""), names.get("de", "")
    return bool(english and german) and english.casefold() != german.casefold()


def _unique_pairs(pairs: Iterable[tuple[str, str]]) -> TermPairs:
    """Sort term pairs and drop duplicates regardless of case."""
    unique = {(term.casefold(), name.casefold()): (term, name) for term, name in sorted(pairs)}
    terms, names = zip(*unique.values(), strict=True)
    return TermPairs(tuple(terms), tuple(names))


def _replace_underscores(name: str) -> str:
    """Replace the underscores of a name by spaces."""
    return name.replace("_", " ")
