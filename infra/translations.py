"""Message catalogs (gettext): the texts that customers read, and their translations.

The id of a text is its English. Each package has its translations in
`translations/<language>/*.po`, which Babel reads without compilation to `.mo`.
tests/test_translations.py lists texts without translation and translations without text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel.messages.pofile import read_po

# Each language with the Babel locale that formats its amounts, dates and numbers.
BABEL_LOCALES: Mapping[str, str] = MappingProxyType({"en": "en_US", "zh": "zh_Hans_CN"})
DEFAULT_LANGUAGE = "en"
# Separates context and text in ids, as in `.mo` files.
_CONTEXT_END = "\x04"


@dataclass(frozen=True, slots=True)
class MessageCatalog:
    """The texts of a package in one language; untranslated texts stay English.

    `translations` are by English text, preceded by its context if it has one; tuples for plural
    forms.
    """

    language: str
    translations: Mapping[str, str | tuple[str, ...]]

    def text(self, message: str, /, **values: object) -> str:
        """Translate a text and insert values for its `{placeholders}`."""
        return self.gettext(message).format(**values)

    def gettext(self, message: str) -> str:
        """Translate a text."""
        translation = self.translations.get(message)
        if isinstance(translation, str) and translation:
            return translation
        return message.rpartition(_CONTEXT_END)[2]

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """Translate a text with singular and plural, by a count."""
        translation = self.translations.get(singular)
        if isinstance(translation, tuple):
            return translation[-1]  # Chinese has one form, and English needs no translation
        return singular if count == 1 else plural


def gettext_noop(text: str) -> str:
    """Mark a text for extraction to the catalogs; it is translated where it is shown."""
    return text


def pgettext_noop(context: str, text: str) -> str:
    """Mark a text whose translation depends on its context. Returns the id for the catalogs."""
    return f"{context}{_CONTEXT_END}{text}"


def accepted_language(header: str) -> str:
    """Return the best supported language of an Accept-Language header, English if there is none.

    `en-GB,en;q=0.9,zh;q=0.8` gives `en` (RFC 9110).
    """
    preferences: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        name, _, weight = part.partition(";q=")
        try:
            preferences.append((float(weight or 1), name.strip()[:2].lower()))
        except ValueError:
            continue
    ordered = sorted(preferences, key=lambda preference: -preference[0])
    return next((name for _, name in ordered if name in BABEL_LOCALES), DEFAULT_LANGUAGE)


@cache
def read_catalog(folder: Path, language: str) -> MessageCatalog:
    """Read the catalog files of a language (a key of BABEL_LOCALES) below a package's folder."""
    locale = BABEL_LOCALES[language]
    translations: dict[str, str | tuple[str, ...]] = {}
    for file in sorted((folder / language).glob("*.po")):
        with file.open("rb") as stream:
            for message in read_po(stream, locale=locale):
                name = message.id if isinstance(message.id, str) else message.id[0]
                if not name:
                    continue
                if message.context:
                    name = pgettext_noop(message.context, name)
                text = message.string
                translations[name] = text if isinstance(text, str) else tuple(text or ())
    return MessageCatalog(language, MappingProxyType(translations))
