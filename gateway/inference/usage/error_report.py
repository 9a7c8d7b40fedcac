"""Redacts the error message and `param` of a call before they are stored in its usage row.

Messages may quote customer content: names of models, columns and tools, or values. In quoted text
and in `param` only a fixed vocabulary is kept (fields and headers of this API, columns and model
ids of the catalog); everything else becomes `…`. Messages of specialists contain values without
quotes, so they are replaced completely.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import msgspec

from gateway.call.errors import KeyNetworkNotAllowed
from gateway.call.values import Call
from gateway.inference.endpoints.table import ENDPOINTS
from gateway.upstream.error_mapping import SpecialistError
from gateway.wire import nested
from infra.errors import AppError
from models.catalog import Catalog

MAX_MESSAGE_LENGTH = 300
MAX_PARAM_LENGTH = 100
MAX_MODEL_LENGTH = 100
REDACTED = "…"
_QUOTED = re.compile(r"`([^`]*)`|(?<!\w)'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
# These messages contain customer content outside quotes: a network address, values of rows.
_REPLACED_MESSAGES: tuple[tuple[type[AppError], str], ...] = (
    (SpecialistError, "The model rejected the input data."),
    (KeyNetworkNotAllowed, "This API key may not be used from this IP address."),
)
# Fields that are rejected by name, headers, and type names of msgspec.
_KNOWN_WORDS = frozenset(
    "int str float bool array object null none number string data base64 true false auto units "
    "rows X-Max-Cost X-Maas-Tags X-Maas-Latency-Ms X-Maas-Fallback Idempotency-Key Authorization "
    "Bearer Inference-Header-Content-Length Content-Length retry-after file_search variant "
    "version instances inputs images image_url input_audio video_url text type name content role "
    "priority request_id cache_salt chat_template kv_transfer_params mm_processor_kwargs "
    "use_beam_search vllm_xargs ec_transfer_params media_io_kwargs session_id min_tokens "
    "logit_bias parallel_tool_calls store metadata reasoning_effort function description "
    "parameters strict arguments id index".split()
)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The redacted details of an error in a usage row, beside its code."""

    message: str
    param: str | None
    requested_model: str | None


class _ModelField(msgspec.Struct):
    """The only field that is decoded from a rejected body."""

    model: str | None = None


_MODEL_DECODER = msgspec.json.Decoder(_ModelField)


def known_words(catalog: Catalog) -> frozenset[str]:
    """Return the words that redaction keeps; none of them is customer content."""
    models = catalog.models.values()
    columns = {
        name
        for model in models
        if model.route
        for name in model.route.inputs | model.route.optional
    }
    documented = [one.documentation for one in ENDPOINTS.values() if one.documentation is not None]
    fields = {name for documentation in documented for name in _field_names(documentation.request)}
    listed = {name for endpoint in ENDPOINTS.values() for name in endpoint.parameters}
    listed |= nested.MESSAGE_FIELDS.union(nested.PART_FIELDS, *nested.PART_FIELDS.values())
    return frozenset(
        {
            *_KNOWN_WORDS,
            *fields,
            *listed,
            *columns,
            *(model.id for model in models),
            *catalog.aliases,
        }
    )


class KnownWords:
    """The words that redaction keeps, for the catalog in force."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._version, self._words = catalog.version, known_words(catalog)

    def current(self) -> frozenset[str]:
        """Return the words, computed again after a change of the catalog."""
        if self._version != self._catalog.version:
            self._version, self._words = self._catalog.version, known_words(self._catalog)
        return self._words


def build_error_report(
    error: AppError, words: frozenset[str], call: Call, body: bytes | None
) -> ErrorReport:
    """Return the redacted details of an error of an authenticated call."""
    model = requested_model(call, body)
    words = words if model is None else words | {model}
    replacement = next((text for kind, text in _REPLACED_MESSAGES if isinstance(error, kind)), None)
    message = replacement or _redact_message(
        error.message, words, has_ambiguous_backticks=_has_backtick(body)
    )
    param = None if error.param is None else _redact_path(error.param, words)[:MAX_PARAM_LENGTH]
    return ErrorReport(_truncate(message, MAX_MESSAGE_LENGTH), param, model)


def requested_model(call: Call, body: bytes | None) -> str | None:
    """Return the model name in the request, truncated. Returns None if it cannot be read."""
    name = call.model_in_path
    if name is None and body:
        try:
            name = _MODEL_DECODER.decode(body).model
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            name = None
    printable = "".join(
        character if character.isprintable() else REDACTED for character in name or ""
    )
    return _truncate(printable, MAX_MODEL_LENGTH) or None


def _redact_message(message: str, words: frozenset[str], *, has_ambiguous_backticks: bool) -> str:
    """Redact unknown quoted text; if backticks are ambiguous, all text between first and last.

    They are ambiguous if customer content may contain backticks.
    """
    if has_ambiguous_backticks and "`" in message:
        head, _, rest = message.partition("`")
        message = f"{head}{REDACTED}{rest.rpartition('`')[2]}"

    def redact(match: re.Match[str]) -> str:
        """Return a quotation with its content redacted, in the original quotation marks."""
        quoted = next(group for group in match.groups() if group is not None)
        mark = match[0][0]
        return f"{mark}{_redact_path(quoted, words)}{mark}"

    return _QUOTED.sub(redact, message)


def _redact_path(text: str, words: frozenset[str]) -> str:
    """Return a name or path such as `messages[0].role` with its unknown parts redacted."""
    if text in words:
        return text
    if re.fullmatch(r"[\w.\[\]$-]*", text) is None:
        return REDACTED

    def redact_name(match: re.Match[str]) -> str:
        """Return a part of a path if it is a number or a known word, else the redaction mark."""
        return match[0] if match[0].isdecimal() or match[0] in words else REDACTED

    return re.sub(r"[\w$-]+", redact_name, text)


def _has_backtick(body: bytes | None) -> bool:
    """Return whether the body contains a backtick, plain or as JSON escape."""
    return body is not None and (b"`" in body or b"\\u0060" in body)


def _truncate(text: str, max_length: int) -> str:
    """Return the text cut to a length, with an ellipsis if cut."""
    return text if len(text) <= max_length else text[: max_length - 1] + REDACTED


@cache
def _field_names(shape: type[msgspec.Struct]) -> frozenset[str]:
    """Return the field names of a struct and of its nested structs."""
    names: set[str] = set()
    for field in msgspec.structs.fields(shape):
        names.add(field.encode_name)
        for nested_struct in _nested_structs(field.type):
            names |= _field_names(nested_struct)
    return frozenset(names)


def _nested_structs(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for argument in get_args(annotation):
        yield from _nested_structs(argument)
