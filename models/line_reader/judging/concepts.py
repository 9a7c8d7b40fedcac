"""Notions of maintenance and production that have several names in Chinese and English.

`多烫` and `temperature` are one notion. `concepts.tsv` has a notion in each row: its name, and the
words for it. Chinese words are found anywhere in a text, English ones as whole words.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WORDS_FILE = Path(__file__).with_name("concepts.tsv")
_ENDINGS = ("", "s", "es", "ed", "d", "ing", "ion")

# Things that a question is about; a line about another thing answers another question.
THINGS = frozenset(
    "seal bearing shaft gear motor pump valve fan filter belt chain coupling impeller "
    "cylinder hose pipe bolt sensor battery cable fuse contactor cabinet tank robot conveyor "
    "mould refrigerant condenser evaporator compressor brake light display spray cutting "
    "vehicle visitor eye skin clothes respirator operator electrician laboratory warehouse "
    "oil additive oxygen gas air energy dust head".split()
)
# What may be asked of a thing.
PROPERTIES = frozenset(
    "temperature pressure differential torque speed flow head power voltage current frequency "
    "noise vibration weight length width thickness depth height level diameter clearance wear "
    "runout alignment tension tolerance capacity quantity interval duration lead valid "
    "warranty price responsible approve supplier store substitute colour material ph "
    "conductivity concentration humidity hardness roughness ratio_gear efficiency ambient ip "
    "life cause".split()
)


@dataclass(frozen=True, slots=True)
class Concepts:
    """The notions by their words."""

    chinese: Mapping[str, frozenset[str]]
    english: Mapping[str, frozenset[str]]
    pattern: re.Pattern[str]

    def find(self, text: str) -> frozenset[str]:
        """Return the names of the notions that a text has words for."""
        normal = unicodedata.normalize("NFKC", text).lower()
        found: set[str] = set()
        for word, names in self.chinese.items():
            if word in normal:
                found |= names
        for match in self.pattern.finditer(normal):
            stems = (match[0].removesuffix(ending) for ending in _ENDINGS)
            found |= next((self.english[one] for one in stems if one in self.english), frozenset())
        return frozenset(found)


def load_concepts(source: Path = WORDS_FILE) -> Concepts:
    """Load the notions."""
    chinese: dict[str, frozenset[str]] = {}
    english: dict[str, frozenset[str]] = {}
    for row in source.read_text(encoding="utf-8").splitlines():
        name, words = row.split("\t")
        for word in words.split(","):
            target = english if word.isascii() else chinese
            target[word] = target.get(word, frozenset()) | {name}
    longest_first = sorted(map(re.escape, english), key=len, reverse=True)
    words_pattern = "|".join(longest_first)
    pattern = rf"(?<![a-z0-9])(?:{words_pattern})(?:s|es|ed|d|ing|ion)?(?![a-z0-9])"
    return Concepts(chinese, english, re.compile(pattern))
