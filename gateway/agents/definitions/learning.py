"""The section `[learning]` of a definition: whether and how an agent learns from outcomes."""

from enum import StrEnum
from typing import Any

import msgspec

from gateway.agents.definitions.durations import DurationInvalid, format_duration, parse_duration
from gateway.agents.errors import AgentDefinitionInvalid

MAX_EXPLORATION, _MAX_COST = 0.2, 1e15
_MAX_S = 366 * 86_400.0


class PromotionMode(StrEnum):
    """Who promotes a policy that passed its shadow period: the owner, or the platform."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class Learning(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent learns. `enabled` is the consent to train its policies on its own decisions.

    exploration: the probability of another action than the best one, only among those whose
    expected cost is at most `explore_within` above, in the account's currency. shadow_s: how long a
    policy decides without acting. ignored_s: after it, a recommendation without any reaction counts
    as ignored.
    """

    enabled: bool = False
    exploration: float = 0.0
    explore_within: float = 0.0
    promotion: PromotionMode = PromotionMode.MANUAL
    shadow_s: float = 14 * 86_400.0
    ignored_s: float = 7 * 86_400.0


class LearningDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section as written."""

    enabled: bool = False
    exploration: float = 0.0
    explore_within: float = 0.0
    promotion: PromotionMode = PromotionMode.MANUAL
    shadow: str = "14d"
    ignored_after: str = "7d"


def check_learning(document: LearningDocument) -> Learning:
    """Return the settings of a section. Raises AgentDefinitionInvalid."""
    if not 0 <= document.exploration <= MAX_EXPLORATION:
        raise _invalid("exploration", f"must be from 0 to {MAX_EXPLORATION}.")
    if not 0 <= document.explore_within <= _MAX_COST:
        raise _invalid("explore_within", "must be a number of 0 or more.")
    return Learning(
        enabled=document.enabled,
        exploration=document.exploration,
        explore_within=document.explore_within,
        promotion=document.promotion,
        shadow_s=_seconds(document.shadow, "shadow"),
        ignored_s=_seconds(document.ignored_after, "ignored_after"),
    )


def learning_fields(learning: Learning) -> dict[str, Any]:
    """Return the field `learning` of a document; nothing if all values are the defaults."""
    if learning == Learning():
        return {}
    return {
        "learning": {
            "enabled": learning.enabled,
            "exploration": learning.exploration,
            "explore_within": learning.explore_within,
            "promotion": learning.promotion.value,
            "shadow": format_duration(learning.shadow_s),
            "ignored_after": format_duration(learning.ignored_s),
        }
    }


def _seconds(text: str, field: str) -> float:
    """Return the seconds of a duration of a year at most. Raises AgentDefinitionInvalid."""
    try:
        seconds = parse_duration(text)
    except DurationInvalid as error:
        raise _invalid(field, str(error)) from error
    if seconds > _MAX_S:
        raise _invalid(field, "must be at most `366d`.")
    return seconds


def _invalid(field: str, reason: str) -> AgentDefinitionInvalid:
    """Return the error of a field of the section."""
    name = f"learning.{field}"
    return AgentDefinitionInvalid(f"`{name}` {reason}", param=name)
