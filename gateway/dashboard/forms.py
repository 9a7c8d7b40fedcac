"""Form handling: reading fields, and showing errors beside them in the page's language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from litestar import Request
from litestar.datastructures import UploadFile

from gateway.dashboard.error_messages import ERROR_MESSAGES
from gateway.dashboard.i18n import dashboard_texts
from gateway.dashboard.page_request import PageRequest, PublicPageRequest
from gateway.dashboard.training_log import translate_message
from infra.error_collection import errors_of
from infra.errors import AppError
from models.sentences import Sentence, message_of

_MAX_FIELD_LENGTH = 4_000


@dataclass(frozen=True, slots=True)
class FormState:
    """The values and errors of a form to render: `error` concerns the whole form, `errors` one
    field each."""

    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    error: str = ""
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def value(self, name: str, default: str = "") -> str:
        """Return the value of a field, or the default."""
        return self.values.get(name, default)

    def wrong(self, name: str) -> str:
        """Return the error message of a field, empty if it is valid."""
        return self.errors.get(name, "")


EMPTY_FORM = FormState()


def restored_form(page: PageRequest, defaults: Mapping[str, str] = EMPTY_FORM.values) -> FormState:
    """Return the form as first shown: with input restored after sign-in, else with defaults."""
    return FormState({**defaults, **page.restored_input.values})


async def read_form_fields(
    request: Request[Any, Any, Any], max_length: int = _MAX_FIELD_LENGTH
) -> dict[str, str]:
    """Read the text fields of a form: truncated, without files, the last value of repeated ones."""
    form = await request.form()
    return {
        name: value[:max_length] for name, value in form.multi_items() if isinstance(value, str)
    }


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent with a form."""

    filename: str
    content: bytes


NO_UPLOAD = Upload("", b"")
"""Stands for a file that was not chosen where an empty one is refused with the same words."""


async def read_upload(request: Request[Any, Any, Any]) -> Upload | None:
    """Read the file of the form's field `upload`; None if none was chosen."""
    upload = (await request.form()).get("upload")
    if not isinstance(upload, UploadFile) or not upload.filename:
        return None
    return Upload(upload.filename, await upload.read())


def with_errors(page: PublicPageRequest, values: Mapping[str, str], error: AppError) -> FormState:
    """Return the sent form with its translated errors, to show it again.

    Passwords are left out. An error whose `param` is a field stands beside the field, any other
    above the form.
    """
    shown = {name: text for name, text in values.items() if "password" not in name}
    errors: dict[str, str] = {}
    form_errors: list[str] = []
    for each in errors_of(error):
        message = _translate(page, each)
        if each.param in values:
            errors.setdefault(str(each.param), message)
        elif message not in form_errors:
            form_errors.append(message)
    return FormState(shown, " ".join(form_errors), errors)


def _translate(page: PublicPageRequest, error: AppError) -> str:
    """Return an error's text in the page's language; that of a training may have values."""
    message = message_of(error)
    if isinstance(message, Sentence) and not _known_messages(error):
        return translate_message(message, dashboard_texts(page.language))
    return page.translate(_error_message(error))


def _error_message(error: AppError) -> str:
    """Return an error's English text, looked up by code and reason or field, else its own."""
    return next(iter(_known_messages(error)), error.message)


def _known_messages(error: AppError) -> list[str]:
    """Return the texts that pages have for an error, the most specific first."""
    code = error.code or ""
    reason = getattr(error, "reason", "")
    names = (f"{code}.{reason}", f"{code}.{error.param}", code)
    return [ERROR_MESSAGES[name] for name in names if name in ERROR_MESSAGES]
