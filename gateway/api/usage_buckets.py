"""Usage and costs in the shapes of OpenAI's organization API, page by page of time buckets.

An account is an organization with one project, itself. Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.accounts.accounts import PREFIX as ACCOUNT_PREFIX
from billing.metering.usage_buckets import UsageWish, Used, Width
from billing.money import nano_text
from gateway.access.api_keys import PREFIX as KEY_PREFIX
from gateway.call.errors import ParameterInvalid
from gateway.call.values import Operation
from infra import ids

COMPLETIONS = (Operation.CHAT.value, Operation.TEXT_COMPLETION.value)
EMBEDDINGS = (Operation.EMBEDDINGS.value,)
_LENGTH = {Width.HOUR: timedelta(hours=1), Width.DAY: timedelta(days=1)}
_WIDTHS = {"1h": Width.HOUR, "1d": Width.DAY}
# Buckets of a page: how many unless asked, and at most.
_PAGES = {("usage", Width.HOUR): (24, 168), ("usage", Width.DAY): (7, 31)}
_COSTS = (7, 180)
_PAGE = "page_"
_LATEST = 32_503_680_000  # the year 3000


@dataclass(frozen=True, slots=True)
class Asked:
    """The query as it came; arrays by their names without brackets."""

    start_time: int | None
    end_time: int | None
    bucket_width: str
    limit: int | None
    page: str | None
    arrays: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Page:
    """Which usage a page shows, in so many buckets, and whether others follow."""

    wish: UsageWish
    buckets: int
    more: bool
    by: frozenset[str]


def usage_page(
    asked: Asked, account_id: UUID, now: datetime, operations: Sequence[str] | None
) -> Page:
    """A page of the usage of models by some operations, or all. Raises ParameterInvalid."""
    width = _width(asked, _WIDTHS)
    groups = frozenset({"model", "api_key_id", "project_id"})
    if operations == COMPLETIONS:
        groups |= {"service_tier"}
    return _page(asked, account_id, now, width, _PAGES["usage", width], groups, operations)


def images_page(asked: Asked, account_id: UUID, now: datetime) -> Page:
    """A page of the usage of models that judge pictures. Raises ParameterInvalid."""
    page = usage_page(asked, account_id, now, None)
    return replace(page, wish=replace(page.wish, of_images=True))


def costs_page(asked: Asked, account_id: UUID, now: datetime) -> Page:
    """A page of the costs of all models, by days. Raises ParameterInvalid."""
    width = _width(asked, {"1d": Width.DAY})
    groups = frozenset({"line_item", "api_key_id", "project_id"})
    return _page(asked, account_id, now, width, _COSTS, groups, None)


def completions_json(page: Page, used: Sequence[Used], account_id: UUID, as_of: datetime) -> Any:
    """The answer of `/v1/organization/usage/completions`."""

    def result(one: Used) -> dict[str, Any]:
        return {
            "object": "organization.usage.completions.result",
            "input_tokens": one.input_tokens,
            "output_tokens": one.output_tokens,
            "input_cached_tokens": one.cached_input_tokens,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
            "num_model_requests": one.calls,
            "model": one.model,
            **_whose(page, one, account_id),
            "batch": None,
            "service_tier": one.service_tier,
        }

    return _answer(page, used, as_of, result)


def embeddings_json(page: Page, used: Sequence[Used], account_id: UUID, as_of: datetime) -> Any:
    """The answer of `/v1/organization/usage/embeddings`."""

    def result(one: Used) -> dict[str, Any]:
        return {
            "object": "organization.usage.embeddings.result",
            "input_tokens": one.input_tokens,
            "num_model_requests": one.calls,
            "model": one.model,
            **_whose(page, one, account_id),
        }

    return _answer(page, used, as_of, result)


def images_json(page: Page, used: Sequence[Used], account_id: UUID, as_of: datetime) -> Any:
    """The answer of `/v1/organization/usage/images`. No picture is made here, so it has no size
    and none of the sources that OpenAI knows."""

    def result(one: Used) -> dict[str, Any]:
        return {
            "object": "organization.usage.images.result",
            "images": one.images,
            "num_model_requests": one.calls,
            "model": one.model,
            **_whose(page, one, account_id),
            "size": None,
            "source": None,
        }

    return _answer(page, used, as_of, result)


def costs_json(
    page: Page, used: Sequence[Used], account_id: UUID, as_of: datetime, currency: str
) -> Any:
    """The answer of `/v1/organization/costs`. `value` is a Decimal, to be written as a number
    with all its digits."""

    def result(one: Used) -> dict[str, Any]:
        return {
            "object": "organization.costs.result",
            "amount": {
                "value": Decimal(nano_text(one.cost_nano)),
                "currency": currency.lower(),
            },
            "line_item": _line_item(one),
            **_whose(page, one, account_id),
        }

    return _answer(page, used, as_of, result)


def _line_item(one: Used) -> str | None:
    """The model, and its service tier where that is not the default."""
    if one.model is None or one.service_tier in (None, "default"):
        return one.model
    return f"{one.model}, {one.service_tier}"


def _width(asked: Asked, widths: Mapping[str, Width]) -> Width:
    width = widths.get(asked.bucket_width)
    if width is None:
        raise ParameterInvalid(
            f"`bucket_width` is {' or '.join(widths)} here; usage is added up by the hour.",
            param="bucket_width",
        )
    return width


def _page(
    asked: Asked,
    account_id: UUID,
    now: datetime,
    width: Width,
    limits: tuple[int, int],
    groups: frozenset[str],
    operations: Sequence[str] | None,
) -> Page:
    length = _LENGTH[width]
    first = _floor(_start(asked), length)
    end = now if asked.end_time is None else _moment(asked.end_time, "end_time")
    if end <= first:
        raise ParameterInvalid("`end_time` is after `start_time`.", param="end_time")
    whole = -((first - end) // length)
    shown = min(whole, _limit(asked, *limits))
    by = _groups(asked, groups)
    own = _own_project(asked, account_id)
    wish = UsageWish(
        since=first,
        until=first + shown * length if own else first,
        width=width,
        by_model=not by.isdisjoint({"model", "line_item"}),
        by_key="api_key_id" in by,
        by_tier=not by.isdisjoint({"service_tier", "line_item"}),
        operations=operations,
        models=asked.arrays.get("models") or None,
        key_ids=_keys(asked),
    )
    return Page(wish, shown, whole > shown, by)


def _start(asked: Asked) -> datetime:
    if asked.start_time is None:
        raise ParameterInvalid("`start_time` is missing.", param="start_time")
    if asked.page is None:
        return _moment(asked.start_time, "start_time")
    mark = asked.page.removeprefix(_PAGE)
    if not asked.page.startswith(_PAGE) or not mark.isdecimal() or len(mark) > 12:
        raise ParameterInvalid("`page` is what `next_page` said before.", param="page")
    return _moment(int(mark), "page")


def _moment(seconds: int, name: str) -> datetime:
    if not 0 <= seconds <= _LATEST:
        raise ParameterInvalid(f"`{name}` is a time in Unix seconds.", param=name)
    return datetime.fromtimestamp(seconds, UTC)


def _floor(at: datetime, length: timedelta) -> datetime:
    return at - (at - datetime.fromtimestamp(0, UTC)) % length


def _limit(asked: Asked, usual: int, most: int) -> int:
    if asked.limit is None:
        return usual
    if not 1 <= asked.limit <= most:
        raise ParameterInvalid(f"`limit` is 1 to {most} buckets here.", param="limit")
    return asked.limit


def _groups(asked: Asked, known: frozenset[str]) -> frozenset[str]:
    by = frozenset(asked.arrays.get("group_by", ()))
    if not by <= known:
        raise ParameterInvalid(
            f"`group_by` is of {', '.join(sorted(known))} here.", param="group_by"
        )
    return by


def _own_project(asked: Asked, account_id: UUID) -> bool:
    projects = asked.arrays.get("project_ids")
    return not projects or ids.show(ACCOUNT_PREFIX, account_id) in projects


def _keys(asked: Asked) -> list[UUID] | None:
    found = [ids.parse(KEY_PREFIX, text) for text in asked.arrays.get("api_key_ids", ())]
    keys = [key for key in found if key is not None]
    if len(keys) < len(found):
        raise ParameterInvalid("`api_key_ids` are ids of keys, `key_…`.", param="api_key_ids")
    return keys or None


def _whose(page: Page, one: Used, account_id: UUID) -> dict[str, Any]:
    by_project = "project_id" in page.by
    return {
        # Calls of before keys were recorded have the id zero.
        "api_key_id": ids.show(KEY_PREFIX, one.key_id) if one.key_id and one.key_id.int else None,
        "project_id": ids.show(ACCOUNT_PREFIX, account_id) if by_project else None,
        "user_id": None,
    }


def _answer(
    page: Page, used: Sequence[Used], as_of: datetime, result: Callable[[Used], dict[str, Any]]
) -> dict[str, Any]:
    """All buckets of the page, also those without usage. `as_of` is ours: usage that came later
    is not in it yet."""
    length, first = _LENGTH[page.wish.width], page.wish.since
    starts = [first + length * at for at in range(page.buckets + 1)]
    results: dict[datetime, list[dict[str, Any]]] = {start: [] for start in starts[:-1]}
    for one in used:
        results[one.starts_at].append(result(one))
    data = [
        {
            "object": "bucket",
            "start_time": int(start.timestamp()),
            "end_time": int((start + length).timestamp()),
            "results": found,
        }
        for start, found in results.items()
    ]
    return {
        "object": "page",
        "data": data,
        "has_more": page.more,
        "next_page": f"{_PAGE}{int(starts[-1].timestamp())}" if page.more else None,
        "as_of": int(as_of.timestamp()),
    }
