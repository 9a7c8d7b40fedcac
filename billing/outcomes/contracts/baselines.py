"""Baselines: what a fitted baseline has to say of itself, and whether it holds a contract's gates.

The text is made by whoever fits it, and kept as it is; here only the figures of its fit are read.
Pure.
"""

import msgspec

from billing.outcomes.contracts.terms import Gates
from infra.errors import AppError

_MOST_BYTES = 1 << 20


class BaselineInvalid(AppError):
    """A text that is no fitted baseline."""

    status = 400
    type = "invalid_request_error"
    code = "baseline_invalid"


class BaselineMissesGates(AppError):
    """A measured effect whose baseline is missing or does not hold the contract's gates."""

    status = 409
    type = "invalid_request_error"
    code = "baseline_misses_gates"


class Fit(msgspec.Struct, frozen=True):
    """How well a baseline describes the time that it was fitted to, in parts per million."""

    cv_rmse_ppm: int
    nmbe_ppm: int
    missing_ppm: int
    days: int


_FIT = msgspec.json.Decoder(Fit)


def read_fit(baseline: str) -> Fit:
    """Raises BaselineInvalid."""
    try:
        content = baseline.encode()
        if len(content) > _MOST_BYTES or "\0" in baseline:
            raise BaselineInvalid(f"A baseline is a text of up to {_MOST_BYTES} bytes.")
        return _FIT.decode(content)
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise BaselineInvalid(
            "A baseline is a JSON object with the whole numbers `cv_rmse_ppm`, `nmbe_ppm`, "
            "`missing_ppm` and `days`, and whatever else it consists of."
        ) from None


def require_gates(baseline: str | None, gates: Gates) -> None:
    """Raises BaselineMissesGates, which says what is amiss."""
    if baseline is None:
        raise BaselineMissesGates(
            "The version has no baseline yet, so there is nothing to agree to."
        )
    fit = read_fit(baseline)
    for name in ("cv_rmse", "nmbe", "missing"):
        is_ppm, most = abs(getattr(fit, f"{name}_ppm")), getattr(gates, f"{name}_ppm")
        if is_ppm > most:
            said = f"The baseline's {name} is {is_ppm} ppm, at most {most} are agreed."
            raise BaselineMissesGates(said, param=f"measure.gates.{name}")
    if fit.days < gates.days:
        said = f"The baseline was fitted to {fit.days} days, at least {gates.days} are agreed."
        raise BaselineMissesGates(said, param="measure.gates.days")
