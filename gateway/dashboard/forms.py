"""Forms: what was entered, and what is wrong with it.

Owns reading fields as plain texts, and saying a mistake in the page's language beside its field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from litestar import Request

from gateway.dashboard.mistakes import MISTAKES
from gateway.dashboard.page_request import Looking, Viewing
from infra.error_collection import errors_of
from infra.errors import AppError

_LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent, or an empty one; `error` is about it as a whole, `errors` about a
    field each."""

    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def value(self, name: str, otherwise: str = "") -> str:
        return self.values.get(name, otherwise)

    def wrong(self, name: str) -> str:
        """What is the matter with a field; empty where nothing is."""
        return self.errors.get(name, "")


EMPTY = Filled()


def kept_form(viewing: Viewing, known: Mapping[str, str] = EMPTY.values) -> Filled:
    """The form as it is shown first: with the input that was kept while its person signed in
    again, else with what is known."""
    return Filled({**known, **viewing.kept.values})


async def fields_of(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The fields of a form as texts; of one that is there twice the last, and no files."""
    form = await request.form()
    return {name: value[:_LONGEST] for name, value in form.multi_items() if isinstance(value, str)}


def mistaken(looking: Looking, values: Mapping[str, str], error: AppError) -> Filled:
    """The form again, without the secrets in it, and all that was wrong: each mistake beside its
    field, what belongs to no field above the form."""
    shown = {name: text for name, text in values.items() if "password" not in name}
    errors: dict[str, str] = {}
    whole: list[str] = []
    for one in errors_of(error):
        told = looking.say(_said(one))
        if one.param in values:
            errors.setdefault(str(one.param), told)
        elif told not in whole:
            whole.append(told)
    return Filled(shown, " ".join(whole), errors)


def _said(error: AppError) -> str:
    """What a code says; where one code is of several mistakes, with why, or of which field."""
    code = error.code or ""
    names = (f"{code}.{getattr(error, 'why', '')}", f"{code}.{error.param}", code)
    return next((MISTAKES[name] for name in names if name in MISTAKES), error.message)
