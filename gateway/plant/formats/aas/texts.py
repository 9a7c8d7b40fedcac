"""Names and texts within the limits of the metamodel."""

import re
from collections import Counter
from typing import TypeVar

import aas_core3.types as aas

_NAME_LENGTH = 128
_TEXT_LENGTH = 1023
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_]+")
_ENGLISH = re.compile(r"en(?:-.*)?", re.IGNORECASE)

LanguageText = TypeVar("LanguageText", bound=aas.AbstractLangString)


def id_short(name: str) -> str:
    """Return an idShort that resembles a name."""
    base = _NOT_ALLOWED.sub("_", name).strip("_")
    if not base[:1].isalpha():
        base = f"x_{base}".rstrip("_")
    return base[: _NAME_LENGTH - 8]


class IdShorts:
    """Unique idShorts of the elements of one namespace."""

    def __init__(self, *taken: str) -> None:
        self._taken = set(taken)
        self._numbers: Counter[str] = Counter()

    def add(self, name: str) -> str:
        """Return an idShort that resembles a name and was not returned before."""
        base = result = id_short(name)
        while result in self._taken:
            self._numbers[base] += 1
            result = f"{base}_{self._numbers[base] + 1}"
        self._taken.add(result)
        return result


def language_of(text: str) -> str:
    """Return the language tag of a text: `zh` if it has Chinese characters, else `en`."""
    return "zh" if _CHINESE.search(text) else "en"


def display_name(text: str) -> list[aas.LangStringNameType] | None:
    """Return a text as displayName, None for an empty one. It is cut at 128 characters."""
    if not text:
        return None
    return [aas.LangStringNameType(language_of(text), text[:_NAME_LENGTH])]


def texts(text: str) -> list[aas.LangStringTextType]:
    """Return a text as the value of a MultiLanguageProperty. It is cut at 1023 characters."""
    return [aas.LangStringTextType(language_of(text), text[:_TEXT_LENGTH])]


def is_shortened(text: str) -> bool:
    """Return whether a text is longer than a MultiLanguageProperty allows."""
    return len(text) > _TEXT_LENGTH


def preferred_text(values: list[LanguageText] | None) -> str:
    """Return the English one of texts in several languages, or the first; empty without any."""
    for value in values or ():
        if _ENGLISH.fullmatch(value.language):
            return value.text
    return values[0].text if values else ""
