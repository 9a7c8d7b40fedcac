"""Parameters of OpenAI's organization endpoints: arrays, ranges and roles."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request

from gateway.call.errors import ParameterInvalid
from gateway.identity.roles import Role
from gateway.operations.organization_views import READER

_MAX_UNIX_SECONDS = 32_503_680_000  # the year 3000
_ROLES: Mapping[str, Role] = {
    READER: Role.VIEWER,
    **{role.value: role for role in Role if not role.is_platform_role},
}


def array_parameter(request: Request[Any, Any, Any], name: str) -> list[str]:
    """Return an array parameter, sent as `name[]=a` (OpenAI's clients) or `name=a`."""
    query = request.query_params
    return [*query.getall(name, []), *query.getall(f"{name}[]", [])]


def time_range(
    request: Request[Any, Any, Any], name: str
) -> tuple[datetime | None, datetime | None]:
    """Return start (inclusive) and end (exclusive) of a range such as `name[gte]=…`, in Unix time.

    Raises ParameterInvalid.
    """
    after, since = (_moment(request, f"{name}[{one}]") for one in ("gt", "gte"))
    last, until = (_moment(request, f"{name}[{one}]") for one in ("lte", "lt"))
    second = timedelta(seconds=1)
    return (
        since if after is None else after + second,
        until if last is None else last + second,
    )


def parse_role(name: str) -> Role:
    """Return the account role that OpenAI's or our name means. Raises ParameterInvalid."""
    role = _ROLES.get(name)
    if role is None:
        raise ParameterInvalid(f"`role` must be one of {', '.join(_ROLES)}.", param="role")
    return role


def _moment(request: Request[Any, Any, Any], name: str) -> datetime | None:
    """Return a time in Unix seconds of the query, None if it is not there."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or int(text[:12]) > _MAX_UNIX_SECONDS:
        raise ParameterInvalid(f"`{name}` must be a Unix time in seconds.", param=name)
    return datetime.fromtimestamp(int(text[:12]), UTC)
