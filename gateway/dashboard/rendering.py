"""Rendering of Jinja templates, with one environment per language.

Autoescaping is on, since customers' text is rendered; an undefined name in a template is an error.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.agents.definitions.templates import rule_title
from gateway.dashboard.assets import Assets
from gateway.dashboard.formatting import LocaleFormatter
from gateway.dashboard.i18n import LANGUAGES, Language, dashboard_texts
from gateway.dashboard.labels import LABELS
from gateway.dashboard.metric_names import metric_name
from gateway.dashboard.training_log import translate_message
from gateway.plant.assets.units import unit_label
from gateway.plant.imports.change_views import value_text
from gateway.plant.questions.answering import term_name


class PageRenderer:
    """Renders all templates in all languages. Create one per process."""

    def __init__(self, assets: Assets) -> None:
        languages = [Language(code) for code in LANGUAGES]
        self._formatters = {
            language.code: LocaleFormatter(language.locale) for language in languages
        }
        self._environments = {
            language.code: _environment(language, self._formatters[language.code], assets)
            for language in languages
        }

    def translate(self, code: str, text: str) -> str:
        """Translate a text to a language, given by its code."""
        return dashboard_texts(code).gettext(text)

    def formatter_for(self, code: str) -> LocaleFormatter:
        """Return the formatter of amounts and times for a language."""
        return self._formatters[code]

    def render(self, code: str, template: str, values: Mapping[str, Any]) -> str:
        """Render a template with its context in a language."""
        return self._environments[code].get_template(template).render(values)


def _environment(language: Language, formatter: LocaleFormatter, assets: Assets) -> Environment:
    """Create the Jinja environment of a language, with its filters and globals."""
    texts = dashboard_texts(language.code)
    environment = Environment(
        loader=PackageLoader("gateway.dashboard"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Templates ship with the package and do not change while the process runs.
        auto_reload=False,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        texts.gettext, texts.ngettext, newstyle=True
    )
    environment.filters |= formatter.filters()
    environment.filters["metric"] = partial(metric_name, texts=texts)
    environment.filters["unit"] = unit_label
    environment.filters["value_text"] = value_text
    environment.filters["graph_term"] = term_name
    environment.filters["translated"] = partial(translate_message, texts=texts)
    environment.globals |= {
        "asset": assets.address,
        "language": language,
        "rule_title": rule_title,
        "word": lambda kind, name: texts.gettext(LABELS[kind].get(name, name)),
    }
    return environment
