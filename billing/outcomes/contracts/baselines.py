"""Check of a stored baseline's goodness of fit against a contract's quality limits (gates).

The baseline text is stored unchanged; only the statistics of its fit are read here.
"""

import msgspec

from billing.outcomes.contracts.terms import BaselineGateTerms
from infra.errors import AppError

_MAX_BYTES = 1 << 20


class BaselineInvalid(AppError):
    """The text is not a valid fitted baseline."""

    status = 400
    type = "invalid_request_error"
    code = "baseline_invalid"


class BaselineGatesNotMet(AppError):
    """The baseline of a measured effect is missing or does not meet the contract's gates."""

    status = 409
    type = "invalid_request_error"
    code = "baseline_misses_gates"


class BaselineFitStatistics(msgspec.Struct, frozen=True):
    """Goodness of fit of a baseline: CV(RMSE), NMBE and missing days in ppm, and its days."""

    cv_rmse_ppm: int
    nmbe_ppm: int
    missing_ppm: int
    days: int


_FIT_DECODER = msgspec.json.Decoder(BaselineFitStatistics)


def parse_fit_statistics(text: str) -> BaselineFitStatistics:
    """Parse the goodness of fit from a baseline text. Raises BaselineInvalid."""
    try:
        content = text.encode()
        if len(content) > _MAX_BYTES or "\0" in text:
            raise BaselineInvalid(f"A baseline must be a text of at most {_MAX_BYTES} bytes.")
        return _FIT_DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise BaselineInvalid(
            "A baseline must be a JSON object with the whole numbers `cv_rmse_ppm`, "
            "`nmbe_ppm`, `missing_ppm` and `days`; further fields are allowed."
        ) from None


def require_baseline_gates(baseline: str | None, gates: BaselineGateTerms) -> None:
    """Raise BaselineGatesNotMet, naming the first gate that the baseline does not meet."""
    if baseline is None:
        raise BaselineGatesNotMet(
            "The version has no baseline yet. Submit a baseline before agreeing to it."
        )
    fit = parse_fit_statistics(baseline)
    for name in ("cv_rmse", "nmbe", "missing"):
        actual, limit = abs(getattr(fit, f"{name}_ppm")), getattr(gates, f"{name}_ppm")
        if actual > limit:
            message = f"The baseline's {name} is {actual} ppm; the contract allows at most {limit}."
            raise BaselineGatesNotMet(message, param=f"measure.gates.{name}")
    if fit.days < gates.days:
        message = (
            f"The baseline was fitted to {fit.days} days; the contract requires at least "
            f"{gates.days}."
        )
        raise BaselineGatesNotMet(message, param="measure.gates.days")
