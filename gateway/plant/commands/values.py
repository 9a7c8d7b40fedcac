"""Limits of an owner and commands, as gateway and connector exchange them. Times are UTC."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

MAX_POINTS = 1_000
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=31 * 86_400)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class PointLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be written to one point, in `unit`.

    max_step: largest difference to the value that the point has; None for any. dead_man_s: the
    connector writes `safe_value` if the agent does not renew its command for so long; None for
    never. tolerance: largest difference between the value written and the value read back.
    """

    tag: _Text
    unit: Annotated[str, msgspec.Meta(max_length=50)] = ""
    minimum: float
    maximum: float
    max_step: float | None = None
    min_interval_s: _Seconds = 0.0
    max_per_hour: Annotated[int, msgspec.Meta(ge=1, le=3_600)] = 60
    confirm_within_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    tolerance: float = 0.0
    dead_man_s: Annotated[float, msgspec.Meta(ge=1, le=31 * 86_400)] | None = None
    safe_value: float | None = None


class CommandLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The signed document: what agents of an account may write through one connector.

    A document replaces all that were issued before it for the same account and connector.
    """

    account: _Text
    connector: _Text
    issued_at: Instant
    expires_at: Instant
    points: Annotated[tuple[PointLimits, ...], msgspec.Meta(max_length=MAX_POINTS)]

    def of_tag(self, tag: str) -> PointLimits | None:
        """Return the limits of a point, None if nothing may be written to it."""
        return next((one for one in self.points if one.tag == tag), None)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A value to write to a point. `id` is the idempotency key: a repeated one writes nothing.

    ends_control: writes the value that the point had before the agent's first command, after which
    no dead-man timer runs.
    """

    id: str
    tag: str
    value: float
    unit: str
    agent: str
    created_at: Instant
    not_after: Instant
    ends_control: bool = False


class Renewal(msgspec.Struct, frozen=True, kw_only=True):
    """The agent still wants a command at a time; it restarts the dead-man timer of the point."""

    command: str
    tag: str
    at: Instant


class ReportStatus(StrEnum):
    """What became of a command at the machine.

    done: the value was read back. not_confirmed: it was written, or may have been, and was not
    read back in time. safe: the dead-man timer wrote the safe value.
    """

    DONE = "done"
    REFUSED = "refused"
    NOT_CONFIRMED = "not_confirmed"
    SAFE = "safe"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector did with a command. code: why it was refused, or not confirmed."""

    command: str
    tag: str
    status: ReportStatus
    at: Instant
    code: str = ""
    value_before: float | None = None
    value_read: float | None = None


class Refusal(StrEnum):
    """Why a command is not carried out."""

    LIMITS_MISSING = "limits_missing"
    LIMITS_INVALID = "limits_invalid"
    LIMITS_EXPIRED = "limits_expired"
    POINT_NOT_LISTED = "point_not_listed"
    TARGET_MISSING = "target_missing"
    UNIT_DIFFERS = "unit_differs"
    VALUE_OUTSIDE = "value_outside"
    STEP_TOO_LARGE = "step_too_large"
    VALUE_UNKNOWN = "current_value_unknown"
    NOT_FORMER_VALUE = "not_former_value"
    TOO_SOON = "too_soon"
    TOO_MANY = "too_many"
    COMMAND_EXPIRED = "command_expired"
    CLOCK_DIFFERS = "clock_differs"
    UNREACHABLE = "device_unreachable"
    ACCESS_DENIED = "device_access_denied"
