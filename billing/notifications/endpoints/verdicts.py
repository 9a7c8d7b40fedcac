"""What a receiver's response means: delivered, retry, rate limited, or rejected for good.

Chat robots answer HTTP 200 also to messages that they refuse; the body has an error code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from billing.notifications.endpoints.kinds import DINGTALK, FEISHU, ROBOTS, SLACK, WECOM
from infra.outbound.webhook_post import DeliveryResult

_TOO_MANY_REQUESTS = 429
_MAX_REASON = 300


class Verdict(StrEnum):
    """The result of an attempt.

    RETRY is repeated with back-off, RATE_LIMITED after a longer pause; REJECTED is not repeated,
    because only a change of the endpoint helps.
    """

    DELIVERED = "delivered"
    RETRY = "retry"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class AttemptVerdict:
    """Verdict and reason of an attempt; the reason is empty if it was delivered."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Codes:
    """A vendor's error codes: field names of code and message, and what the codes mean."""

    code: tuple[str, ...]
    message: str
    limited: frozenset[int]
    rejected: frozenset[int]


# Rejected are: unknown or removed robot, signature, keyword, IP address, malformed message.
_CODES: Mapping[str, _Codes] = MappingProxyType(
    {
        WECOM: _Codes(
            ("errcode",),
            "errmsg",
            frozenset({45009, 45033}),
            frozenset({40008, 40035, 40058, 44004, 45002, 93000, 93004, 93008, 93017}),
        ),
        DINGTALK: _Codes(
            ("errcode",),
            "errmsg",
            frozenset({130101, 410100, 90018}),
            frozenset(
                {40035, 43004, 300001, 310000, 400013, 400101, 400102, 400105, 400106}
                | {430101, 430102, 430103, 430104}
            ),
        ),
        FEISHU: _Codes(
            ("code", "StatusCode"),
            "msg",
            frozenset({11232, 99991400}),
            frozenset({9499, 11246, 19001, 19002, 19021, 19022, 19024, 19036}),
        ),
    }
)
_SLACK_REJECTED = (400, 403, 404, 410)


def classify(kind: str, result: DeliveryResult) -> AttemptVerdict:
    """Return what a response means for an endpoint of this kind."""
    if result.status is None:
        return AttemptVerdict(Verdict.RETRY, result.error or "")
    if result.status == _TOO_MANY_REQUESTS:
        return AttemptVerdict(Verdict.RATE_LIMITED, _http_reason(result))
    if kind == SLACK:
        return _classify_slack(result)
    if not result.delivered:
        return AttemptVerdict(Verdict.RETRY, _http_reason(result))
    if kind in ROBOTS:
        return _classify_codes(_CODES[kind], result)
    return AttemptVerdict(Verdict.DELIVERED)


def _classify_slack(result: DeliveryResult) -> AttemptVerdict:
    """Return what Slack's response means: `ok`, or a status with an error name as body."""
    if result.delivered:
        if result.excerpt.strip() == "ok":
            return AttemptVerdict(Verdict.DELIVERED)
        return AttemptVerdict(Verdict.RETRY, "The response is not Slack's.")
    reason = f"{_http_reason(result)}: {result.excerpt.strip()}"[:_MAX_REASON]
    rejected = result.status in _SLACK_REJECTED
    return AttemptVerdict(Verdict.REJECTED if rejected else Verdict.RETRY, reason)


def _classify_codes(codes: _Codes, result: DeliveryResult) -> AttemptVerdict:
    """Return what the error code in a response body means; unknown codes are retried."""
    try:
        body = json.loads(result.excerpt)
    except ValueError:
        body = None
    code = _find_code(codes, body)
    if code is None:
        return AttemptVerdict(Verdict.RETRY, "The response is not the robot's.")
    if code == 0:
        return AttemptVerdict(Verdict.DELIVERED)
    reason = f"{code}: {str(body.get(codes.message, '')).strip()}"[:_MAX_REASON]
    if code in codes.limited:
        return AttemptVerdict(Verdict.RATE_LIMITED, reason)
    return AttemptVerdict(Verdict.REJECTED if code in codes.rejected else Verdict.RETRY, reason)


def _find_code(codes: _Codes, body: Any) -> int | None:
    """Return the error code of a response body, None if it has none."""
    if not isinstance(body, dict):
        return None
    found = (body[name] for name in codes.code if isinstance(body.get(name), int))
    return next(found, None)


def _http_reason(result: DeliveryResult) -> str:
    """Return the reason for a status outside 2xx."""
    return f"the receiver responded with HTTP status {result.status}"
