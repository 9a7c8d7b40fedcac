"""Languages of the dashboard: negotiation and gettext catalogs.

A message's id is its English text. Catalogs are read from `translations/<language>/*.po`, one file
per part of the dashboard, without compilation to `.mo`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.pofile import read_po
from litestar import Request

from gateway.identity.current_user import Viewer

# Each language with the Babel locale that formats its money, dates and numbers.
LANGUAGES: Mapping[str, str] = {"zh": "zh_Hans_CN", "en": "en_US"}
LANGUAGE_COOKIE = "maas_language"
_DEFAULT_LANGUAGE = "en"
_CATALOG_FOLDER = Path(__file__).parent / "translations"

Translations = Mapping[str, str | tuple[str, ...]]


class Language:
    """A language with its translations; untranslated texts stay English."""

    def __init__(self, code: str, translations: Translations) -> None:
        self.code = code
        self.locale = Locale.parse(LANGUAGES[code])
        self._translations = translations

    @property
    def tag(self) -> str:
        """The BCP 47 tag for HTML's `lang` attribute."""
        return "zh-CN" if self.code == "zh" else self.code

    def gettext(self, text: str) -> str:
        """Translate a text."""
        translation = self._translations.get(text)
        return translation if isinstance(translation, str) and translation else text

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """Translate a text with singular and plural, by a count."""
        translation = self._translations.get(singular)
        if isinstance(translation, tuple):
            return translation[-1]  # Chinese has one form, and English needs no translation
        return singular if count == 1 else plural


def read_languages() -> dict[str, Language]:
    """Return every language with its translations, by code."""
    return {code: Language(code, read_translations(code)) for code in LANGUAGES}


@cache
def read_translations(code: str) -> dict[str, str | tuple[str, ...]]:
    """Read all catalogs of a language: translations by English text, tuples for plural forms."""
    translations: dict[str, str | tuple[str, ...]] = {}
    for file in sorted((_CATALOG_FOLDER / code).glob("*.po")):
        with file.open("rb") as stream:
            for message in read_po(stream, locale=LANGUAGES[code]):
                if not message.id:
                    continue
                name = message.id if isinstance(message.id, str) else message.id[0]
                text: Any = message.string
                translations[name] = text if isinstance(text, str) else tuple(text)
    return translations


def negotiate_language(request: Request[Any, Any, Any], viewer: Viewer | None = None) -> str:
    """Return a response's language: the viewer's, else the cookie's, else Accept-Language's."""
    for chosen in (viewer.language if viewer else None, request.cookies.get(LANGUAGE_COOKIE)):
        if chosen is not None and chosen in LANGUAGES:
            return chosen
    return _accepted_language(request.headers.get("accept-language", ""))


def _accepted_language(header: str) -> str:
    """Return the best supported language of an Accept-Language header (RFC 9110), English if none:
    `en-GB,en;q=0.9,zh;q=0.8` gives `en`."""
    preferences: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, _, weight = part.partition(";q=")
        try:
            preferences.append((float(weight or 1), name.strip()[:2].lower()))
        except ValueError:
            continue
    ordered = sorted(preferences, key=lambda preference: -preference[0])
    return next((name for _, name in ordered if name in LANGUAGES), _DEFAULT_LANGUAGE)
