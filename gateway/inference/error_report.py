"""What usage rows keep of a call's error: its message and `param` without the customer's content.

Messages may quote what the customer sent: a model's name, a column's, a value, a tool's. Of quoted
text and of `param` only words of a fixed vocabulary stay (fields and headers of this API, columns
and ids of the catalog); everything else becomes `…`. Texts of specialists and of stored documents
tell values without quotes, so they are replaced whole. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import msgspec

from gateway.call.errors import KeyElsewhere
from gateway.call.values import Call
from gateway.upstream.error_mapping import SpecialistRefused
from gateway.wire import inference, nested, requests
from gateway.wire.parameters import PARAMETERS
from infra.errors import AppError
from models.catalog import Catalog

LONGEST_MESSAGE = 300
LONGEST_PARAM = 100
LONGEST_MODEL = 100
HIDDEN = "…"
_QUOTED = re.compile(r"`([^`]*)`|(?<!\w)'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
# What these say beside quoted text is the customer's: a network address, values of rows.
_REPLACED: tuple[tuple[type[AppError], str], ...] = (
    (SpecialistRefused, "The model refused the input data."),
    (KeyElsewhere, "This API key may not be used from this network address."),
)
# Fields that are refused by name, headers, and types as msgspec names them.
_WORDS = frozenset(
    "int str float bool array object null number string data base64 true false auto units rows "
    "X-Max-Cost X-Maas-Tags X-Maas-Latency-Ms X-Maas-Fallback Idempotency-Key Authorization "
    "Bearer Inference-Header-Content-Length Content-Length retry-after file_search variant "
    "version instances inputs images image_url input_audio video_url text type name content role "
    "priority request_id cache_salt chat_template kv_transfer_params mm_processor_kwargs "
    "use_beam_search vllm_xargs ec_transfer_params media_io_kwargs session_id min_tokens "
    "logit_bias parallel_tool_calls store metadata reasoning_effort function description "
    "parameters strict arguments id index".split()
)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """What a usage row says of an error beside its code."""

    message: str
    param: str | None
    requested_model: str | None


class _Named(msgspec.Struct):
    """The only field that is read of a refused body."""

    model: str | None = None


_MODEL = msgspec.json.Decoder(_Named)


def vocabulary(catalog: Catalog) -> frozenset[str]:
    """The words that may stay: none of them is a customer's."""
    models = catalog.models.values()
    columns = {
        name for one in models if one.route for name in one.route.inputs | one.route.optional
    }
    shapes = (requests.ChatRequest, requests.CompletionRequest, requests.EmbeddingRequest)
    fields = {name for one in (*shapes, inference.PredictionRequest) for name in _fields(one)}
    listed = {name for table in PARAMETERS.values() for name in table}
    listed |= nested.MESSAGE.union(nested.PARTS, *nested.PARTS.values())
    return frozenset({*_WORDS, *fields, *listed, *columns, *(one.id for one in models)})


def report_of(
    error: AppError, words: frozenset[str], call: Call, body: bytes | None
) -> ErrorReport:
    """What to keep of an error of an identified caller's call."""
    model = requested_model(call, body)
    known = words if model is None else words | {model}
    said = next((text for kind, text in _REPLACED if isinstance(error, kind)), None)
    message = said or _without_content(error.message, known, ambiguous=_has_backtick(body))
    param = None if error.param is None else _shown(error.param, known)[:LONGEST_PARAM]
    return ErrorReport(_bounded(message, LONGEST_MESSAGE), param, model)


def requested_model(call: Call, body: bytes | None) -> str | None:
    """The model as the customer wrote it, where it can be read."""
    name = call.model_in_path
    if name is None and body:
        try:
            name = _MODEL.decode(body).model
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            name = None
    printable = "".join(sign if sign.isprintable() else HIDDEN for sign in name or "")
    return _bounded(printable, LONGEST_MODEL) or None


def _without_content(message: str, words: frozenset[str], *, ambiguous: bool) -> str:
    """The message with what it quotes hidden, unless it is known. Where the customer's own text
    may hold backticks, everything between the first and the last one is hidden."""
    if ambiguous and "`" in message:
        head, _, rest = message.partition("`")
        message = f"{head}{HIDDEN}{rest.rpartition('`')[2]}"

    def shown(found: re.Match[str]) -> str:
        quoted = next(group for group in found.groups() if group is not None)
        mark = found[0][0]
        return f"{mark}{_shown(quoted, words)}{mark}"

    return _QUOTED.sub(shown, message)


def _shown(text: str, words: frozenset[str]) -> str:
    """A name or path as `messages[0].role`: its known parts, `…` for the others."""
    if text in words:
        return text
    if re.fullmatch(r"[\w.\[\]$-]*", text) is None:
        return HIDDEN

    def part(found: re.Match[str]) -> str:
        return found[0] if found[0].isdecimal() or found[0] in words else HIDDEN

    return re.sub(r"[\w$-]+", part, text)


def _has_backtick(body: bytes | None) -> bool:
    return body is not None and (b"`" in body or b"\\u0060" in body)


def _bounded(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + HIDDEN


@cache
def _fields(shape: type[msgspec.Struct]) -> frozenset[str]:
    """The names of a struct's fields, and of the structs within."""
    found: set[str] = set()
    for field in msgspec.structs.fields(shape):
        found.add(field.encode_name)
        for inner in _structs(field.type):
            found |= _fields(inner)
    return frozenset(found)


def _structs(kind: Any) -> Iterator[type[msgspec.Struct]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
    for argument in get_args(kind):
        yield from _structs(argument)
