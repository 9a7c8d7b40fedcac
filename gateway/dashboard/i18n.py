"""Languages: which one a page is in, and its texts.

English is the source: a message's id is its English text. The catalogues are read as they are
written (`translations/<language>/*.po`, one for each part of the dashboard).
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.pofile import read_po
from litestar import Request

from gateway.identity.current_user import Viewer

# With the locale by which money, dates and numbers are written.
LANGUAGES: Mapping[str, str] = {"zh": "zh_Hans_CN", "en": "en_US"}
COOKIE = "maas_language"
_USUAL = "en"
_FOLDER = Path(__file__).parent / "translations"

Texts = Mapping[str, str | tuple[str, ...]]


class Language:
    """A language with its texts; what has no translation stays English."""

    def __init__(self, code: str, texts: Texts) -> None:
        self.code = code
        self.locale = Locale.parse(LANGUAGES[code])
        self._texts = texts

    @property
    def tag(self) -> str:
        """What HTML calls it."""
        return "zh-CN" if self.code == "zh" else self.code

    def gettext(self, text: str) -> str:
        found = self._texts.get(text)
        return found if isinstance(found, str) and found else text

    def ngettext(self, one: str, many: str, count: int) -> str:
        found = self._texts.get(one)
        if isinstance(found, tuple):
            return found[-1]  # Chinese has one form, and English needs no translation
        return one if count == 1 else many


def read_languages() -> dict[str, Language]:
    """Every language with its texts."""
    return {code: Language(code, texts_of(code)) for code in LANGUAGES}


@cache
def texts_of(code: str) -> dict[str, str | tuple[str, ...]]:
    """The texts of all catalogues of a language by their English; of plurals, each form."""
    found: dict[str, str | tuple[str, ...]] = {}
    for file in sorted((_FOLDER / code).glob("*.po")):
        with file.open("rb") as opened:
            for message in read_po(opened, locale=LANGUAGES[code]):
                if not message.id:
                    continue
                name = message.id if isinstance(message.id, str) else message.id[0]
                text: Any = message.string
                found[name] = text if isinstance(text, str) else tuple(text)
    return found


def language_of(request: Request[Any, Any, Any], viewer: Viewer | None = None) -> str:
    """What the person chose, else this browser, else what the browser asks for."""
    for chosen in (viewer.language if viewer else None, request.cookies.get(COOKIE)):
        if chosen is not None and chosen in LANGUAGES:
            return chosen
    return _asked(request.headers.get("accept-language", ""))


def _asked(header: str) -> str:
    """The first of ours by the browser's order: `en-GB,en;q=0.9,zh;q=0.8` gives English."""
    wishes: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, _, weight = part.partition(";q=")
        try:
            wishes.append((float(weight or 1), name.strip()[:2].lower()))
        except ValueError:
            continue
    ordered = sorted(wishes, key=lambda wish: -wish[0])
    return next((name for _, name in ordered if name in LANGUAGES), _USUAL)
