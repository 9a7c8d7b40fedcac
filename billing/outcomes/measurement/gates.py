"""Gates: what must hold before a contract may start on a baseline, and in each settlement.

Pure.
"""

from billing.outcomes.measurement.agreed import PPM, Limits
from billing.outcomes.measurement.measured import Gate


def fit_gates(cv: int, bias: int, days: int, limits: Limits) -> tuple[Gate, ...]:
    """CV(RMSE), NMBE and the number of days of a fitted baseline."""
    return (
        _at_most("cv_rmse", cv, limits.most_cv),
        _at_most("nmbe", bias, limits.most_bias),
        Gate("days", days, limits.least_days, days >= limits.least_days),
    )


def before_gate(missing: int, limits: Limits) -> Gate:
    """The share of the baseline period's days that are not whole."""
    return _at_most("missing in the baseline period", missing, limits.most_missing)


def after_gate(missing: int, limits: Limits) -> Gate:
    """The share of the reporting period's days that are not whole."""
    return _at_most("missing in the reporting period", missing, limits.most_lacking)


def missing_ppm(whole: int, due: int) -> int:
    """What share of the days that are due is not whole, rounded up."""
    return PPM - whole * PPM // due if due else PPM


def _at_most(name: str, found: int, bound: int) -> Gate:
    return Gate(name, found, bound, found <= bound)
