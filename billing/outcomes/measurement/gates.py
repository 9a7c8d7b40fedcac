"""Quality gates of a baseline (ASHRAE Guideline 14) and of the data completeness of a period."""

from billing.outcomes.measurement.plan import PPM, GateLimits
from billing.outcomes.measurement.results import GateResult


def baseline_fit_gates(
    cv_rmse_ppm: int, nmbe_ppm: int, days: int, limits: GateLimits
) -> tuple[GateResult, ...]:
    """Return the results of the gates CV(RMSE), NMBE and days of a fitted baseline."""
    return (
        _upper_bound_gate("cv_rmse", cv_rmse_ppm, limits.most_cv),
        _upper_bound_gate("nmbe", nmbe_ppm, limits.most_bias),
        GateResult("days", days, limits.least_days, days >= limits.least_days),
    )


def baseline_missing_days_gate(missing_share_ppm: int, limits: GateLimits) -> GateResult:
    """Return the gate result for the share (ppm) of missing days of the baseline period."""
    return _upper_bound_gate(
        "missing in the baseline period", missing_share_ppm, limits.most_missing
    )


def reporting_missing_days_gate(missing_share_ppm: int, limits: GateLimits) -> GateResult:
    """Return the gate result for the share (ppm) of missing days of the reporting period."""
    return _upper_bound_gate(
        "missing in the reporting period", missing_share_ppm, limits.most_lacking
    )


def missing_ppm(complete_days: int, expected_days: int) -> int:
    """Return the share of expected days that are not complete, in ppm, rounded up."""
    return PPM - complete_days * PPM // expected_days if expected_days else PPM


def _upper_bound_gate(name: str, value: int, bound: int) -> GateResult:
    """Return the gate's result: met if the value is at most the bound."""
    return GateResult(name, value, bound, value <= bound)
