"""The message catalog of billing; its Chinese texts are in `zh/`, one file per subject."""

from pathlib import Path

from infra.translations import BABEL_LOCALES, MessageCatalog, read_catalog

LOCALES = tuple(BABEL_LOCALES)
_FOLDER = Path(__file__).parent


def billing_texts(locale: str) -> MessageCatalog:
    """Return the texts of billing in a locale, one of LOCALES."""
    return read_catalog(_FOLDER, locale)
