"""What a learned warning rule says in a tick, as a result among those of the other rules."""

from collections.abc import Sequence

import msgspec

from gateway.agents.rules import RuleResult, RuleStatus
from models.policies.warnings.rule import WarningSignal

PREFIX = "warning:"
"""Begins the name of the result of a learned warning rule."""


class WarningReason(msgspec.Struct, frozen=True, kw_only=True):
    """A point that speaks for the event: its share, its reading, and how far it is from normal.

    deviations: of the recent mean, in standard deviations of normal operation.
    """

    point: str
    share: float
    value: float
    deviations: float


class WarningFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The rule, its version in use, and what it says.

    problem: a code such as `no_version` or `stale` if it says nothing, else empty. probability: of
    an event within the horizon. threshold: the probability from which the rule warns. out_of_range:
    points whose reading the training has not seen.
    """

    rule: str
    name: str
    version: int = 0
    problem: str = ""
    probability: float | None = None
    threshold: float | None = None
    warns: bool = False
    reasons: tuple[WarningReason, ...] = ()
    out_of_range: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether the rule states a probability."""
        return self.probability is not None

    @property
    def result(self) -> RuleResult:
        """The result of the rule: raised if it warns, stale or without a point if it cannot say."""
        status = RuleStatus.RAISED if self.warns else RuleStatus.QUIET
        if not self.is_usable:
            status = RuleStatus.STALE if self.problem == STALE else RuleStatus.NO_POINT
        return RuleResult(
            name=f"{PREFIX}{self.name}",
            status=status,
            tag=self.reasons[0].point if self.reasons else "",
            value=self.probability,
            limit=self.threshold,
        )


STALE, NO_RULE, NO_VERSION, NO_POINT = "stale", "no_rule", "no_version", "no_point"
FOREIGN, DAMAGED, OTHER_HORIZON = "other_asset", "file_damaged", "other_horizon"


def finding_of(base: WarningFinding, signal: WarningSignal, threshold: float) -> WarningFinding:
    """Return a finding with what the rule says."""
    return msgspec.structs.replace(
        base,
        probability=round(signal.probability, 6),
        threshold=round(threshold, 6),
        warns=signal.warns,
        reasons=tuple(
            WarningReason(
                point=one.sensor, share=one.share, value=one.value, deviations=one.deviations
            )
            for one in signal.reasons
        ),
        out_of_range=signal.out_of_range,
    )


def is_learned(result: RuleResult) -> bool:
    """Return whether a result is that of a learned warning rule."""
    return result.name.startswith(PREFIX)


def without_learned(results: Sequence[RuleResult]) -> list[RuleResult]:
    """Return the results of the limits alone."""
    return [one for one in results if not is_learned(one)]
