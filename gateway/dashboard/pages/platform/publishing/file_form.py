"""The form of a file to publish: uploaded or pasted, previewed, then confirmed.

    form (upload or text) -> preview (what changes, who is affected) -> confirmation

The preview carries the text of the file, which is validated again when it is confirmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response

from billing.rating.toml_locations import line_of_error
from gateway.dashboard.forms import FormState, read_form_fields, read_upload
from gateway.dashboard.page_request import UNPROCESSABLE, PageRequest
from infra.errors import AppError
from infra.sentences import message_of
from infra.translations import gettext_noop

MAX_FORM_BYTES = 512 << 10
_MAX_FILE_LENGTH = 256 << 10
_MAX_EXCERPT = 200
_NO_FILE = gettext_noop("Choose a file or paste its text.")
_NOT_TEXT = gettext_noop("The file is not a text file in UTF-8.")


class FileUnreadable(AppError):
    """No file was sent, or one that is not text; shown on the form only."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_value"


async def read_file_form(
    request: Request[Any, Any, Any], defaults: Mapping[str, str]
) -> dict[str, str]:
    """Return the fields of the form; `file` is the text of the uploaded file if one was chosen.

    Raises FileUnreadable.
    """
    fields = {"file": "", **defaults, **await read_form_fields(request, _MAX_FILE_LENGTH)}
    upload = await read_upload(request)
    if upload is not None:
        try:
            fields["file"] = upload.content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise FileUnreadable(_NOT_TEXT, param="file") from None
    if not fields["file"].strip():
        raise FileUnreadable(_NO_FILE, param="file")
    return fields


def render_form(
    page: PageRequest, template: str, form: FormState, error: AppError | None = None
) -> Response[str]:
    """Render the form, with what is wrong with the file: field, line, and the text of the line."""
    is_of_form = isinstance(error, FileUnreadable)
    problem = None if error is None or is_of_form else _problem_in(form.value("file"), error)
    return page.render(
        template,
        status=200 if error is None else UNPROCESSABLE,
        form=form,
        problem=problem,
        warning=page.translate(error.message) if is_of_form and error is not None else "",
    )


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong with a file: the message, and the line with its text if it is known."""

    message: str
    line: int | None
    excerpt: str


def _problem_in(text: str, error: AppError) -> FileProblem:
    """Return the problem of an error that a file's parser raised."""
    lines, line = text.splitlines(), line_of_error(text, error.param)
    is_known = line is not None and 0 < line <= len(lines)
    excerpt = lines[line - 1].strip()[:_MAX_EXCERPT] if line is not None and is_known else ""
    return FileProblem(message_of(error), line, excerpt)
