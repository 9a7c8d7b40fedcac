"""Learn a schedule from logged days; report what they show and what would be saved; pure."""

from dataclasses import dataclass
from typing import Any

from gateway.agents.definitions.schedule import ScheduleStep
from gateway.agents.learned_files import file_hash
from gateway.agents.scheduling.basis import FittedPumps, hysteresis_of, levels_of
from gateway.agents.scheduling.history import LoggedDays, contiguous
from models.observed.resampling import ScoreInterval
from models.policies.promotion import Evidence, Promotion, Verdict, decide_promotion
from models.policies.scheduling.comparison import Comparison
from models.policies.scheduling.coverage import Coverage, cover
from models.policies.scheduling.evaluation import EvaluatedSchedule, learn_and_evaluate
from models.policies.scheduling.learning import MIN_DAYS, ScheduleTerms
from models.policies.scheduling.log import FEWEST_STEPS, LogInvalid
from models.policies.scheduling.policy_file import write_policy

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Learned:
    """A learned schedule as a file with its hash, and the report for its owner."""

    content: bytes
    sha256: str
    pumps: FittedPumps
    report: dict[str, Any]
    verdict: Promotion


def check_log(step: ScheduleStep, logged: LoggedDays) -> dict[str, Any]:
    """Return the coverage of logged days as the report has it.

    Raises LogInvalid, with figures, if nothing can be learned from them.
    """
    log, pure = logged.log, logged.only_pure()
    if log is None or pure is None or len(logged.days) < MIN_DAYS:
        shares = ", ".join(f"{tag} {share:.0%}" for tag, share in sorted(logged.covered.items()))
        raise LogInvalid(
            f"{len(logged.days)} of the last {logged.asked} days have readings in each slot; "
            f"{MIN_DAYS} are needed. Slots with readings: {shares or 'none'}."
        )
    found = cover(log, pure, levels_of(step), len(step.pumps) + 1)
    if found.unseen_actions:
        counts = ", ".join(f"{action}: {count}" for action, count in enumerate(found.steps))
        raise LogInvalid(
            "The log does not show the flow with each number of pumps. Slots without switching by "
            f"number of running pumps: {counts}; {FEWEST_STEPS} of each are needed."
        )
    return _coverage(found, logged)


def learn(step: ScheduleStep, logged: LoggedDays, bound_to: str) -> Learned:
    """Return the schedule of logged days with its report. Raises LogInvalid with figures.

    bound_to: the account and asset that its file is for.
    """
    coverage = check_log(step, logged)
    log, pure = logged.log, logged.only_pure()
    if log is None or pure is None:
        raise LogInvalid("The log has no whole day.")
    terms = ScheduleTerms(
        levels_of(step), step.tariff, len(step.pumps), step.start_price, step.slots
    )
    usual = hysteresis_of(step)
    runs = contiguous(logged.days)
    own = (usual.low, usual.high)
    found = learn_and_evaluate(log, pure, logged.ends, runs, terms, own)
    content = write_policy(found.schedule, found.installation, bound_to)
    verdict = decide_promotion(_evidence(found, step.slots))
    pumps = found.installation.pumps
    return Learned(
        content=content,
        sha256=file_hash(content),
        pumps=FittedPumps(pumps.flows, pumps.powers),
        report=_report(step, found, coverage, verdict),
        verdict=verdict,
    )


def is_rejected(verdict: Promotion) -> bool:
    """Return whether a schedule goes no further."""
    return verdict.verdict is Verdict.REJECT


def _evidence(found: EvaluatedSchedule, slots: int) -> Evidence:
    """Return the evidence before a shadow period."""
    replay = found.replay.saving if found.replay.candidate.violations == 0 else _WORSE
    return Evidence(
        off_policy=found.off_policy.saving,
        effective_decisions=found.held_out_days * slots,
        replay=replay,
        shadow=None,
        shadow_decisions=0,
    )


def _report(
    step: ScheduleStep, found: EvaluatedSchedule, coverage: dict[str, Any], verdict: Promotion
) -> dict[str, Any]:
    """Return what an owner reads about a learned schedule."""
    return {
        "coverage": coverage,
        "days": {"fitted": found.fitted_days, "held_out": found.held_out_days},
        "off_policy": _comparison(found.off_policy),
        "replay": {
            **_comparison(found.replay),
            "band_m3": [round(level, 1) for level in found.band],
        },
        "reasons": list(verdict.reasons),
        "slots": step.slots,
        "currency": step.tariff.currency,
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    """Return a comparison: costs in the tariff's currency, and the share saved with interval."""
    return {
        "cost": round(found.candidate.total, _DIGITS),
        "cost_current": round(found.current.total, _DIGITS),
        "saving": interval_json(found.saving),
        "violations": found.candidate.violations,
        "violations_current": found.current.violations,
    }


def interval_json(found: ScoreInterval) -> dict[str, float | None]:
    """Return an interval; a bound that is not known is None."""
    return {
        name: round(value, _DIGITS) if abs(value) < _UNKNOWN else None
        for name, value in (("value", found.value), ("low", found.low), ("high", found.high))
    }


def _coverage(found: Coverage, logged: LoggedDays) -> dict[str, Any]:
    """Return what the log shows, and what it never shows."""
    return {
        "days": found.days,
        "days_asked": logged.asked,
        "readings": {tag: round(share, _DIGITS) for tag, share in logged.covered.items()},
        "steps_by_pumps": list(found.steps),
        "levels_m3": [[round(one.low, 1), round(one.high, 1), one.steps] for one in found.bands],
        "levels_never_seen_m3": [
            [round(one.low, 1), round(one.high, 1)] for one in found.unseen_bands
        ],
        "steps_outside_levels": found.outside,
    }


_UNKNOWN = 1e12
_WORSE = ScoreInterval(-1.0, -1.0, -1.0)
