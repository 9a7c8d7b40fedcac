"""Errors of an agent's definition in the page's language, beside a field or at a line of TOML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.agents.definitions.toml_text import line_of
from gateway.agents.errors import AgentDefinitionInvalid
from gateway.dashboard.error_messages import ERROR_MESSAGES
from gateway.dashboard.forms import FormState, with_errors
from gateway.dashboard.page_request import PageRequest
from gateway.dashboard.pages.agents.form_sections.sections import is_slot
from infra.errors import AppError
from infra.translations import gettext_noop

_INDEX = re.compile(r"\[\d+\]")
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_REASONS = (
    (
        re.compile(r"unknown field `([^`]{1,60})`"),
        gettext_noop("A definition has no such field."),
    ),
    (re.compile(r"missing required field `([^`]{1,60})`"), gettext_noop("This field is missing.")),
)


@dataclass(frozen=True, slots=True)
class TextError:
    """An error of a definition as text: its message, field and line, where they are known."""

    message: str
    field: str = ""
    line: int | None = None


def definition_message(page: PageRequest, error: AppError, field: str) -> str:
    """Return the message for a field in the page's language, else the error's own."""
    name = f"{error.code}.{_INDEX.sub('', field)}"
    return page.translate(ERROR_MESSAGES[name]) if name in ERROR_MESSAGES else error.message


def form_with_error(
    page: PageRequest, values: Mapping[str, str], error: AppError, field: str
) -> FormState:
    """Return the sent form with its error beside `field`, or above the form."""
    if not isinstance(error, AgentDefinitionInvalid):
        return with_errors(page, values, error)
    message = definition_message(page, error, field)
    if field in values or field.startswith("rules[") or is_slot(field):
        return FormState(values, errors={field: message})
    return FormState(values, message)


def text_error(page: PageRequest, text: str, error: AppError) -> TextError:
    """Return the error of a TOML text with the line where it stands."""
    if not isinstance(error, AgentDefinitionInvalid):
        return TextError(with_errors(page, {}, error).error)
    at = _TOML_LINE.search(error.message)
    if at is not None:
        message = page.translate(gettext_noop("This is not valid TOML."))
        return TextError(f"{message} {error.message}", line=int(at[1]))
    parent = f"{error.param}." if error.param else ""
    for pattern, reason in _REASONS:
        match = pattern.search(error.message)
        if match is not None:
            field = f"{parent}{match[1]}"
            return TextError(page.translate(reason), field, line_of(text, field))
    field = error.param or ""
    return TextError(definition_message(page, error, field), field, line_of(text, field))
