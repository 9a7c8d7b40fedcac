"""Languages of the dashboard: negotiation, and the catalog in `translations/`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel import Locale
from litestar import Request

from gateway.identity.current_user import Viewer
from infra.translations import BABEL_LOCALES, MessageCatalog, accepted_language, read_catalog

LANGUAGES = tuple(BABEL_LOCALES)
LANGUAGE_COOKIE = "maas_language"
_CATALOG_FOLDER = Path(__file__).parent / "translations"


@dataclass(frozen=True, slots=True)
class Language:
    """A language of the dashboard, one of LANGUAGES."""

    code: str

    @property
    def tag(self) -> str:
        """The BCP 47 tag for HTML's `lang` attribute."""
        return "zh-CN" if self.code == "zh" else self.code

    @property
    def locale(self) -> Locale:
        """The Babel locale that formats amounts, dates and numbers."""
        return Locale.parse(BABEL_LOCALES[self.code])


def dashboard_texts(language: str) -> MessageCatalog:
    """Return the texts of the dashboard in a language, one of LANGUAGES."""
    return read_catalog(_CATALOG_FOLDER, language)


def negotiate_language(request: Request[Any, Any, Any], viewer: Viewer | None = None) -> str:
    """Return a response's language: the viewer's, else the cookie's, else Accept-Language's."""
    for chosen in (viewer.language if viewer else None, request.cookies.get(LANGUAGE_COOKIE)):
        if chosen is not None and chosen in LANGUAGES:
            return chosen
    return accepted_language(request.headers.get("accept-language", ""))
