"""Read the input file of a batch: one call per line, in OpenAI's form.

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {…}}

Every line is checked before any is sent. Pure: no I/O.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from infra.validation_errors import parse_validation_error

MAX_LINES = 50_000
MAX_PROBLEMS = 100
_MAX_CUSTOM_ID_LENGTH = 512
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_METHOD = "POST"


class _Line(msgspec.Struct):
    """A line of the file; the body keeps the client's bytes."""

    custom_id: Annotated[str, Meta(min_length=1, max_length=_MAX_CUSTOM_ID_LENGTH)]
    method: str
    url: str
    body: msgspec.Raw


class _Body(msgspec.Struct):
    """The fields of a body that are read for every endpoint."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    stream: bool | None = None


_LINE = msgspec.json.Decoder(_Line)
_BODY = msgspec.json.Decoder(_Body)
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class InputLine:
    """A valid line: its number in the file from 1, the client's id, the model, and the body."""

    number: int
    custom_id: str
    model: str
    body: bytes


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A problem of the file in OpenAI's form; `line` is None if it concerns the whole file."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the problem as an object of a batch's `errors.data`."""
        return {
            "code": self.code,
            "line": self.line,
            "message": self.message,
            "param": self.param,
        }


class LineChecker:
    """Checks the lines of one file for one endpoint, in order."""

    def __init__(self, endpoint: str, max_body_bytes: int) -> None:
        self._endpoint = endpoint
        self._max_body_bytes = max_body_bytes
        self._seen: dict[str, int] = {}
        self._model: str | None = None

    def check(self, number: int, text: bytes) -> InputLine | FileProblem:
        """Return the line, or the first problem of it."""
        line = _decode(_LINE, text, number, "")
        if isinstance(line, FileProblem):
            return line
        body = _decode(_BODY, line.body, number, "body.")
        if isinstance(body, FileProblem):
            return body
        return self._find_problem(number, line, body) or InputLine(
            number, line.custom_id, body.model, bytes(line.body)
        )

    def _find_problem(self, number: int, line: _Line, body: _Body) -> FileProblem | None:
        """Return the first problem of a decoded line, None if it is valid."""

        def problem(code: str, message: str, param: str) -> FileProblem:
            """Return a problem of this line."""
            return FileProblem(code, message, number, param)

        if line.method != _METHOD:
            return problem("invalid_method", f"`method` must be `{_METHOD}`.", "method")
        if line.url != self._endpoint:
            text = f"`url` must be `{self._endpoint}`, the endpoint of the batch."
            return problem("invalid_url", text, "url")
        if not line.custom_id.isprintable():
            text = "`custom_id` must have printable characters only."
            return problem("invalid_custom_id", text, "custom_id")
        first = self._seen.setdefault(line.custom_id, number)
        if first != number:
            text = f"`custom_id` is that of line {first}. Give every line an id of its own."
            return problem("duplicate_custom_id", text, "custom_id")
        if body.stream:
            return problem("unsupported_parameter", "Batches do not stream.", "body.stream")
        if len(line.body) > self._max_body_bytes:
            text = f"The body is larger than {self._max_body_bytes} bytes."
            return problem("request_too_large", text, "body")
        self._model = self._model or body.model
        if body.model != self._model:
            text = f"All lines must be for one model; the first is for `{self._model[:60]}`."
            return problem("mismatched_model", text, "body.model")
        return None


def split_lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number, from 1, and text of each line that is not blank."""
    content = content.removeprefix(_BYTE_ORDER_MARK)
    start, number = 0, 0
    while start < len(content):
        end = content.find(b"\n", start)
        end = len(content) if end < 0 else end
        number += 1
        text = content[start:end].strip()
        if text:
            yield number, text
        start = end + 1


def whole_file_problem(lines: int) -> FileProblem | None:
    """Return the problem of a file with so many lines, None if their number is allowed."""
    if lines == 0:
        return FileProblem("empty_file", "The file has no lines.")
    if lines > MAX_LINES:
        text = f"The file has {lines} lines. A batch can have {MAX_LINES}: split the file."
        return FileProblem("too_many_tasks", text)
    return None


def _decode(
    decoder: msgspec.json.Decoder[_Struct], text: bytes | msgspec.Raw, number: int, path: str
) -> _Struct | FileProblem:
    """Decode a line or its body; `path` is the prefix of its fields in problems."""
    try:
        bytes(text).decode()  # msgspec does not check skipped values
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        if not misfit.path:
            name = "body" if path else "line"
            return FileProblem("invalid_json_line", f"The {name} is not a JSON object.", number)
        field = f"{path}{misfit.path}"
        return FileProblem("invalid_request", f"`{field}`: {misfit.what}.", number, field)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return FileProblem("invalid_json_line", "The line is not valid JSON.", number)
