"""Page, validate and format usage and costs in the shapes of OpenAI's organization API.

An account is shown as an organization.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.accounts.accounts import ACCOUNT_ID_PREFIX as ACCOUNT_PREFIX
from billing.metering.project_ids import PROJECT_ID_PREFIX, project_public_id
from billing.metering.usage_buckets import BucketWidth, UsageBucket, UsageBucketQuery
from billing.money import nano_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.call.errors import ParameterInvalid
from gateway.inference.endpoints.endpoint import UsageGroup
from gateway.inference.endpoints.table import operations_in
from infra import ids

COMPLETIONS = operations_in(UsageGroup.COMPLETIONS)
EMBEDDINGS = operations_in(UsageGroup.EMBEDDINGS)
DECISIONS = operations_in(UsageGroup.DECISIONS)
_BUCKET_LENGTH = {BucketWidth.HOUR: timedelta(hours=1), BucketWidth.DAY: timedelta(days=1)}
_WIDTHS = {"1h": BucketWidth.HOUR, "1d": BucketWidth.DAY}
# Buckets per page: default and maximum, as with OpenAI.
_USAGE_PAGE_LIMITS = {("usage", BucketWidth.HOUR): (24, 168), ("usage", BucketWidth.DAY): (7, 31)}
_COSTS_PAGE_LIMITS = (7, 180)
_PAGE_CURSOR_PREFIX = "page_"
_MAX_UNIX_SECONDS = 32_503_680_000  # the year 3000


@dataclass(frozen=True, slots=True)
class UsageParameters:
    """The query parameters of a usage request; arrays by name, without `[]`."""

    start_time: int | None
    end_time: int | None
    bucket_width: str
    limit: int | None
    page: str | None
    arrays: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class UsagePage:
    """The usage query of one page, its number of buckets, and whether another page follows."""

    query: UsageBucketQuery
    bucket_count: int
    has_more: bool
    group_by: frozenset[str]


def usage_page(
    parameters: UsageParameters, account_id: UUID, now: datetime, operations: Sequence[str] | None
) -> UsagePage:
    """Return the requested page of the usage of these operations; None for all operations.

    Raises ParameterInvalid.
    """
    width = _bucket_width(parameters, _WIDTHS)
    groups = frozenset({"model", "api_key_id", "project_id"})
    if operations == COMPLETIONS:
        groups |= {"service_tier"}
    return _build_page(
        parameters, account_id, now, width, _USAGE_PAGE_LIMITS["usage", width], groups, operations
    )


def images_page(parameters: UsageParameters, account_id: UUID, now: datetime) -> UsagePage:
    """Return the page of image usage that is requested. Raises ParameterInvalid."""
    page = usage_page(parameters, account_id, now, None)
    return replace(page, query=replace(page.query, images_only=True))


def costs_page(parameters: UsageParameters, account_id: UUID, now: datetime) -> UsagePage:
    """Return the page of daily costs that is requested. Raises ParameterInvalid."""
    width = _bucket_width(parameters, {"1d": BucketWidth.DAY})
    groups = frozenset({"line_item", "api_key_id", "project_id"})
    return _build_page(parameters, account_id, now, width, _COSTS_PAGE_LIMITS, groups, None)


def completions_json(
    page: UsagePage, rows: Sequence[UsageBucket], account_id: UUID, as_of: datetime
) -> Any:
    """Return the response of `/v1/organization/usage/completions`."""

    def result(row: UsageBucket) -> dict[str, Any]:
        """Return one row of completion usage as OpenAI's result object."""
        return {
            "object": "organization.usage.completions.result",
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "input_cached_tokens": row.cached_input_tokens,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
            "num_model_requests": row.calls,
            "model": row.model,
            **_owner_fields(page, row, account_id),
            "batch": None,
            "service_tier": row.service_tier,
        }

    return _page_json(page, rows, as_of, result)


def embeddings_json(
    page: UsagePage, rows: Sequence[UsageBucket], account_id: UUID, as_of: datetime
) -> Any:
    """Return the response of `/v1/organization/usage/embeddings`."""

    def result(row: UsageBucket) -> dict[str, Any]:
        """Return one row of embedding usage as OpenAI's result object."""
        return {
            "object": "organization.usage.embeddings.result",
            "input_tokens": row.input_tokens,
            "num_model_requests": row.calls,
            "model": row.model,
            **_owner_fields(page, row, account_id),
        }

    return _page_json(page, rows, as_of, result)


def decisions_json(
    page: UsagePage, rows: Sequence[UsageBucket], account_id: UUID, as_of: datetime
) -> Any:
    """Return the response of `/v1/organization/usage/decisions`."""

    def result(row: UsageBucket) -> dict[str, Any]:
        """Return one row of decision usage as OpenAI's result object."""
        return {
            "object": "organization.usage.decisions.result",
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "input_cached_tokens": row.cached_input_tokens,
            "num_model_requests": row.calls,
            "model": row.model,
            **_owner_fields(page, row, account_id),
            "batch": None,
        }

    return _page_json(page, rows, as_of, result)


def images_json(
    page: UsagePage, rows: Sequence[UsageBucket], account_id: UUID, as_of: datetime
) -> Any:
    """Return the response of `/v1/organization/usage/images`.

    Images are classified, not generated: `size` and `source` are always null.
    """

    def result(row: UsageBucket) -> dict[str, Any]:
        """Return one row of image usage as OpenAI's result object."""
        return {
            "object": "organization.usage.images.result",
            "images": row.images,
            "num_model_requests": row.calls,
            "model": row.model,
            **_owner_fields(page, row, account_id),
            "size": None,
            "source": None,
        }

    return _page_json(page, rows, as_of, result)


def costs_json(
    page: UsagePage, rows: Sequence[UsageBucket], account_id: UUID, as_of: datetime, currency: str
) -> Any:
    """Return the response of `/v1/organization/costs`.

    `value` is a Decimal; encode it as a JSON number with all its digits.
    """

    def result(row: UsageBucket) -> dict[str, Any]:
        """Return one row of costs as OpenAI's result object; `value` is in major units."""
        return {
            "object": "organization.costs.result",
            "amount": {
                "value": Decimal(nano_text(row.cost_nano)),
                "currency": currency.lower(),
            },
            "line_item": _line_item(row),
            **_owner_fields(page, row, account_id),
        }

    return _page_json(page, rows, as_of, result)


def _line_item(row: UsageBucket) -> str | None:
    """Return the model, followed by its service tier unless that is `default`."""
    if row.model is None or row.service_tier in (None, "default"):
        return row.model
    return f"{row.model}, {row.service_tier}"


def _bucket_width(parameters: UsageParameters, widths: Mapping[str, BucketWidth]) -> BucketWidth:
    """Return the requested bucket width. Raises ParameterInvalid."""
    width = widths.get(parameters.bucket_width)
    if width is None:
        raise ParameterInvalid(
            f"`bucket_width` must be {' or '.join(widths)}; usage is aggregated by hour.",
            param="bucket_width",
        )
    return width


def _build_page(
    parameters: UsageParameters,
    account_id: UUID,
    now: datetime,
    width: BucketWidth,
    limits: tuple[int, int],
    allowed_groups: frozenset[str],
    operations: Sequence[str] | None,
) -> UsagePage:
    """Validate the parameters and return the page. Raises ParameterInvalid."""
    length = _BUCKET_LENGTH[width]
    first = _floor_to_bucket(_page_start(parameters), length)
    end = (
        now if parameters.end_time is None else _parse_unix_seconds(parameters.end_time, "end_time")
    )
    if end <= first:
        raise ParameterInvalid("`end_time` must be later than `start_time`.", param="end_time")
    total_buckets = -((first - end) // length)
    shown_buckets = min(total_buckets, _bucket_limit(parameters, *limits))
    group_by = _parse_group_by(parameters, allowed_groups)
    query = UsageBucketQuery(
        since=first,
        until=first + shown_buckets * length,
        bucket_width=width,
        by_model=not group_by.isdisjoint({"model", "line_item"}),
        by_key="api_key_id" in group_by,
        by_tier=not group_by.isdisjoint({"service_tier", "line_item"}),
        by_project="project_id" in group_by,
        operations=operations,
        models=parameters.arrays.get("models") or None,
        key_ids=_parse_key_ids(parameters),
        project_ids=_parse_project_ids(parameters, account_id),
    )
    return UsagePage(query, shown_buckets, total_buckets > shown_buckets, group_by)


def _page_start(parameters: UsageParameters) -> datetime:
    """Return the start of the first bucket, from the page token if there is one."""
    if parameters.start_time is None:
        raise ParameterInvalid("`start_time` is missing.", param="start_time")
    if parameters.page is None:
        return _parse_unix_seconds(parameters.start_time, "start_time")
    seconds = parameters.page.removeprefix(_PAGE_CURSOR_PREFIX)
    if (
        not parameters.page.startswith(_PAGE_CURSOR_PREFIX)
        or not seconds.isdecimal()
        or len(seconds) > 12
    ):
        raise ParameterInvalid(
            "`page` must be the `next_page` value of an earlier response.", param="page"
        )
    return _parse_unix_seconds(int(seconds), "page")


def _parse_unix_seconds(seconds: int, name: str) -> datetime:
    """Return the UTC time of a Unix time. Raises ParameterInvalid naming the field `name`."""
    if not 0 <= seconds <= _MAX_UNIX_SECONDS:
        raise ParameterInvalid(f"`{name}` must be a Unix time in seconds.", param=name)
    return datetime.fromtimestamp(seconds, UTC)


def _floor_to_bucket(at: datetime, length: timedelta) -> datetime:
    """Return the start of the bucket that contains the time; buckets count from the Unix epoch."""
    return at - (at - datetime.fromtimestamp(0, UTC)) % length


def _bucket_limit(parameters: UsageParameters, default: int, maximum: int) -> int:
    """Return the requested number of buckets, or `default`. Raises ParameterInvalid."""
    if parameters.limit is None:
        return default
    if not 1 <= parameters.limit <= maximum:
        raise ParameterInvalid(f"`limit` must be 1 to {maximum} buckets.", param="limit")
    return parameters.limit


def _parse_group_by(parameters: UsageParameters, allowed: frozenset[str]) -> frozenset[str]:
    """Return the fields to group by. Raises ParameterInvalid if one is not in `allowed`."""
    group_by = frozenset(parameters.arrays.get("group_by", ()))
    if not group_by <= allowed:
        raise ParameterInvalid(
            f"`group_by` must be any of {', '.join(sorted(allowed))}.", param="group_by"
        )
    return group_by


def _parse_project_ids(parameters: UsageParameters, account_id: UUID) -> list[UUID] | None:
    """Return the projects to filter by, or None for all. Unknown ids match nothing.

    Before there were projects, the account's id stood for its only project: it still means all.
    """
    texts = parameters.arrays.get("project_ids")
    if not texts or ids.format_id(ACCOUNT_PREFIX, account_id) in texts:
        return None
    parsed = (ids.parse_id(PROJECT_ID_PREFIX, text) for text in texts)
    return [project_id for project_id in parsed if project_id is not None]


def _parse_key_ids(parameters: UsageParameters) -> list[UUID] | None:
    """Return the API keys to filter by, or None for all keys. Raises ParameterInvalid."""
    parsed = [ids.parse_id(KEY_PREFIX, text) for text in parameters.arrays.get("api_key_ids", ())]
    keys = [key for key in parsed if key is not None]
    if len(keys) < len(parsed):
        raise ParameterInvalid(
            "`api_key_ids` must be key ids that start with `key_`.", param="api_key_ids"
        )
    return keys or None


def _owner_fields(page: UsagePage, row: UsageBucket, account_id: UUID) -> dict[str, Any]:
    """Return the key, project and user ids of a row, null unless grouped by them."""
    by_project = "project_id" in page.group_by
    return {
        # Calls made before keys were recorded have the nil UUID.
        "api_key_id": ids.format_id(KEY_PREFIX, row.key_id)
        if row.key_id and row.key_id.int
        else None,
        "project_id": project_public_id(row.project_id, account_id) if by_project else None,
        "user_id": None,
    }


def _page_json(
    page: UsagePage,
    rows: Sequence[UsageBucket],
    as_of: datetime,
    format_row: Callable[[UsageBucket], dict[str, Any]],
) -> dict[str, Any]:
    """Return all buckets of the page, including those without usage.

    `as_of` is an extension: usage recorded after it is not included yet.
    """
    length, first = _BUCKET_LENGTH[page.query.bucket_width], page.query.since
    starts = [first + length * index for index in range(page.bucket_count + 1)]
    results: dict[datetime, list[dict[str, Any]]] = {start: [] for start in starts[:-1]}
    for row in rows:
        results[row.starts_at].append(format_row(row))
    data = [
        {
            "object": "bucket",
            "start_time": int(start.timestamp()),
            "end_time": int((start + length).timestamp()),
            "results": bucket_results,
        }
        for start, bucket_results in results.items()
    ]
    return {
        "object": "page",
        "data": data,
        "has_more": page.has_more,
        "next_page": f"{_PAGE_CURSOR_PREFIX}{int(starts[-1].timestamp())}"
        if page.has_more
        else None,
        "as_of": int(as_of.timestamp()),
    }
