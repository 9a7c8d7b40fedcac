"""Words, names and notation of texts, as they are compared."""

import re

from models.grounding.figures import find_codes, normalize, remove_figures
from models.languages import HAN

_ACRONYM = re.compile(r"(?<![A-Za-z])[A-Z][A-Z&]+[a-z]?(?![a-z])")
# English: a capital that does not start a sentence, and Chinese words. In Chinese text: every Latin
# word.
_PROPER_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_LATIN_WORD = re.compile(r"[A-Za-z][A-Za-z-]{2,}")
_HAN_NAME = re.compile(f"[{HAN}]{{2,}}")
_HAN_CHARACTER = re.compile(f"[{HAN}]")
# Written with a capital, but no names.
_CALENDAR = re.compile(
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|"
    r"august|september|october|november|december",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[“「『‘\"]([^”」』’\"]{2,40})[”」』’\"]")
_TERM = re.compile(rf"[a-z]{{4,}}|[{HAN}]{{2,}}")
_STEM_LENGTH = 5
_SEPARATORS = re.compile(r"[\s\-–—·./]+")


def find_names(text: str) -> list[str]:
    """Return the codes, acronyms, proper names and quoted words of a sentence."""
    codes = find_codes(text)
    text = remove_figures(text)
    names = [*codes, *_ACRONYM.findall(text), *_QUOTED.findall(text)]
    foreign = [_LATIN_WORD] if _is_mostly_chinese(text) else [_PROPER_NAME, _HAN_NAME]
    found = (name for pattern in foreign for name in pattern.findall(text))
    return [*names, *(name for name in found if _CALENDAR.fullmatch(name) is None)]


def _is_mostly_chinese(text: str) -> bool:
    """Return whether a sentence is Chinese; an English one may have a Chinese name."""
    return len(_HAN_CHARACTER.findall(text)) > len(_LATIN_WORD.findall(text))


def find_terms(text: str) -> frozenset[str]:
    """Return the words of a text that carry meaning: English stems, Chinese pairs of characters."""
    terms: set[str] = set()
    for run in _TERM.findall(normalize(text)):
        if run.isascii():
            terms.add(run[:_STEM_LENGTH])
        else:
            terms.update(run[start : start + 2] for start in range(len(run) - 1))
    return frozenset(terms)


def compact(text: str) -> str:
    """Return the text for comparing names: one case, without spaces and separators."""
    return _SEPARATORS.sub("", normalize(text))
