"""Requests of the protocol as they arrive, and their parsing."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from gateway.agents.a2a.errors import A2aError, invalid_params, invalid_request, parse_error
from gateway.agents.definitions.checking import is_storable
from infra.validation_errors import parse_validation_error

_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Params = TypeVar("_Params", bound=msgspec.Struct)


class Request(msgspec.Struct, frozen=True):
    """A JSON-RPC request. id: None only if it could not be read."""

    method: str
    id: str | int | None
    params: Mapping[str, Any]


class Part(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A part of a message: one of text, data, or a file, which is not supported."""

    text: str | None = None
    data: Any = None
    raw: Any = None
    url: Any = None


class Message(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A message of a caller. task_id: of the task that the message continues."""

    message_id: _Id
    role: Literal["ROLE_USER"]
    parts: Annotated[list[Part], Meta(min_length=1, max_length=20)]
    context_id: Annotated[str, Meta(max_length=200)] = ""
    task_id: Annotated[str, Meta(max_length=200)] = ""
    metadata: dict[str, Any] = {}


class Configuration(msgspec.Struct, frozen=True, rename="camel"):
    """How the answer is wanted."""

    return_immediately: bool = False
    history_length: int | None = None
    task_push_notification_config: Any = None


class SendParams(msgspec.Struct, frozen=True, rename="camel"):
    """Of SendMessage and SendStreamingMessage."""

    message: Message
    configuration: Configuration = Configuration()
    metadata: dict[str, Any] = {}


class TaskParams(msgspec.Struct, frozen=True, rename="camel"):
    """Of GetTask, CancelTask and SubscribeToTask."""

    id: _Id
    history_length: int | None = None


class ListParams(msgspec.Struct, frozen=True, rename="camel"):
    """Of ListTasks."""

    context_id: str = ""
    status: str = ""
    page_size: Annotated[int, Meta(ge=1, le=100)] = 50
    page_token: str = ""
    history_length: int | None = None
    include_artifacts: bool = False


def parse_request(body: bytes) -> Request:
    """Return the request of a body. Raises A2aError."""
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise parse_error() from error
    if not isinstance(read, dict):
        raise invalid_request("Send one request as a JSON object.")
    number, method, params = read.get("id"), read.get("method"), read.get("params", {})
    if read.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise invalid_request('A request has `"jsonrpc": "2.0"` and a `method`.')
    if isinstance(number, bool) or not isinstance(number, str | int):
        raise invalid_request("A request has an `id`, a text or a whole number.")
    if not isinstance(params, dict) or not is_storable(params):
        raise invalid_params("`params` must be an object that can be stored as JSON.", "params")
    return Request(method, number, params)


def request_id(body: bytes) -> str | int | None:
    """Return the id of a request that is refused, if it can be read."""
    try:
        read = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    number = read.get("id") if isinstance(read, dict) else None
    is_id = isinstance(number, str | int) and not isinstance(number, bool)
    return number if is_id else None


def read_params(params: Mapping[str, Any], shape: type[_Params]) -> _Params:
    """Convert the parameters of a method. Raises A2aError naming the field."""
    try:
        return msgspec.convert(dict(params), shape)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        raise _misfit(misfit.path, misfit.what) from None


def _misfit(path: str, what: str) -> A2aError:
    """Return the error of a field that has not the right shape."""
    return invalid_params(f"`{path}`: {what}.", path)
