"""Rendering: templates to pages, for each language by an environment of its own.

Whatever a customer wrote is escaped; what a template names and does not get is an error.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.dashboard.assets import Assets
from gateway.dashboard.formatting import Writing
from gateway.dashboard.i18n import Language, read_languages
from gateway.dashboard.labels import WORDS


class Pages:
    """All templates in all languages. Build one a process."""

    def __init__(self, assets: Assets) -> None:
        self._languages = languages = read_languages()
        self._writings = {code: Writing(one.locale) for code, one in languages.items()}
        self._environments = {
            code: _environment(one, self._writings[code], assets) for code, one in languages.items()
        }

    def say(self, code: str, text: str) -> str:
        """A text in a language."""
        return self._languages[code].gettext(text)

    def writing(self, code: str) -> Writing:
        """How a language writes amounts and times."""
        return self._writings[code]

    def render(self, code: str, template: str, values: Mapping[str, Any]) -> str:
        """A page in a language."""
        return self._environments[code].get_template(template).render(values)


def _environment(language: Language, writing: Writing, assets: Assets) -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.dashboard"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates are of the package: nobody changes them while the process runs.
        auto_reload=False,
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        language.gettext, language.ngettext, newstyle=True
    )
    made.filters |= writing.filters()
    made.globals |= {
        "asset": assets.address,
        "language": language,
        "word": lambda kind, name: language.gettext(WORDS[kind].get(name, name)),
    }
    return made
