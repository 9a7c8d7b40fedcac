"""Tools about the account: quotes, calls with their cost, models with their prices."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from billing.metering.error_fixes import is_error_code
from billing.metering.usage import REQUEST_ID_PREFIX, list_usage, usage_to_json
from gateway.access.model_views import list_models
from gateway.access.project_scope import readable_projects
from gateway.call.errors import ParameterInvalid
from gateway.call.tags import TAGS_HEADER
from gateway.inference.quotes import Quotes
from gateway.mcp.tools import Tool, ToolAnswer, ToolCaller, object_schema, result_schema
from gateway.upstream.availability import Availability
from infra import ids
from infra.database.database import Database
from infra.validation_errors import parse_validation_error

_DEFAULT_ROWS, _MAX_ROWS = 20, 100
_Arguments = TypeVar("_Arguments", bound=msgspec.Struct)


class QuoteArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `quote`."""

    request: dict[str, Any]


class UsageArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `usage`."""

    limit: Annotated[int, Meta(ge=1, le=_MAX_ROWS)] | None = None
    before: str | None = None
    error_code: str | None = None


class ModelArguments(msgspec.Struct, forbid_unknown_fields=True):
    """The arguments of `list_models`."""

    task: str | None = None


QUOTE = Tool(
    name="quote",
    title="Quote a call",
    description=(
        "Returns the highest and lowest cost of a call before it is made. `request` is the body of "
        "the call, as of /v1/chat/completions (`messages`) or /v1/predictions (`instances`)."
    ),
    input_schema=object_schema({"request": {"type": "object"}}, ["request"]),
    output_schema=result_schema(
        {
            "model": {"type": "string"},
            "currency": {"type": "string"},
            "max_cost": {"type": "string"},
            "min_cost": {"type": "string"},
        },
        ["model", "currency", "max_cost", "min_cost"],
    ),
)
USAGE = Tool(
    name="usage",
    title="List calls",
    description=(
        "Lists calls of the account with units, cost and error, newest first. `before` is the "
        "request id after which the page begins; `error_code` filters, `any` for all errors."
    ),
    input_schema=object_schema(
        {
            "limit": {"type": "integer", "minimum": 1, "maximum": _MAX_ROWS},
            "before": {"type": "string"},
            "error_code": {"type": "string"},
        }
    ),
    output_schema=result_schema(
        {"calls": {"type": "array", "items": {"type": "object"}}}, ["calls"]
    ),
)
LIST_MODELS = Tool(
    name="list_models",
    title="List models",
    description="Lists the models that the key may call, with task, context length and prices.",
    input_schema=object_schema({"task": {"type": "string", "description": "Only of this task"}}),
    output_schema=result_schema(
        {"models": {"type": "array", "items": {"type": "object"}}}, ["models"]
    ),
)


class AccountTools:
    """The tools that read what an account has; none of them costs anything."""

    kind = "account"

    def __init__(self, availability: Availability, quotes: Quotes, database: Database) -> None:
        self._availability = availability
        self._quotes = quotes
        self._database = database
        self._handlers: Mapping[
            str, Callable[[ToolCaller, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
        ] = {QUOTE.name: self._quote, USAGE.name: self._usage, LIST_MODELS.name: self._models}

    async def list_tools(self, caller: ToolCaller) -> list[Tool]:
        """Return the tools, which are the same for all accounts."""
        return [QUOTE, USAGE, LIST_MODELS]

    async def call(
        self, caller: ToolCaller, name: str, arguments: Mapping[str, Any]
    ) -> ToolAnswer | None:
        """Call one of the tools. Raises ParameterInvalid and the errors of a quote."""
        handler = self._handlers.get(name)
        return None if handler is None else ToolAnswer(await handler(caller, arguments))

    async def _quote(self, caller: ToolCaller, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the quote of a call."""
        request = parse_arguments(arguments, QuoteArguments).request
        tags = caller.headers.get(TAGS_HEADER)
        headers = {} if tags is None else {TAGS_HEADER: tags}
        return await self._quotes.create(caller.principal, msgspec.json.encode(request), headers)

    async def _usage(self, caller: ToolCaller, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a page of the usage rows that the key may read."""
        wanted = parse_arguments(arguments, UsageArguments)
        before = None if wanted.before is None else ids.parse_id(REQUEST_ID_PREFIX, wanted.before)
        if wanted.before is not None and before is None:
            raise ParameterInvalid("`before` must be a request id.", param="before")
        if wanted.error_code is not None and not is_error_code(wanted.error_code):
            raise ParameterInvalid("`error_code` must be an error code.", param="error_code")
        async with self._database.transaction() as session:
            rows = await list_usage(
                session,
                account_id=caller.principal.account_id,
                limit=wanted.limit or _DEFAULT_ROWS,
                before=before,
                error_code=wanted.error_code,
                project_ids=readable_projects(caller.principal),
            )
        return {"calls": [usage_to_json(row) for row in rows]}

    async def _models(self, caller: ToolCaller, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the models that the key may call, all or those of a task."""
        task = parse_arguments(arguments, ModelArguments).task
        models = list_models(self._availability.catalog, caller.principal)
        return {"models": [one for one in models if task is None or one["task"] == task]}


def parse_arguments(arguments: Mapping[str, Any], shape: type[_Arguments]) -> _Arguments:
    """Convert a tool's arguments to a struct. Raises ParameterInvalid naming the argument."""
    try:
        return msgspec.convert(dict(arguments), shape)
    except msgspec.ValidationError as error:
        misfit = parse_validation_error(str(error))
        raise ParameterInvalid(f"`{misfit.path}`: {misfit.what}.", param=misfit.path) from None
