"""Signature fields of a prediction's reasons: the features with the largest contributions."""

from models.signature import BYTES, OutputField

REASON_COUNT = 3


def reason_fields(reasons: str, told: str, of: str, names: str) -> tuple[OutputField, OutputField]:
    """Return the output fields named `reasons` (feature names) and `told` (contributions).

    `reasons` and `told` are the outputs' names; `of` is what the contributions belong to, in words.
    """
    return (
        OutputField(
            reasons,
            BYTES,
            description=f"The {REASON_COUNT} that moved {of} most, strongest first: {names}",
            series=True,
        ),
        OutputField(
            told,
            "FP32",
            unit="1",
            description=f"What each of {reasons} adds to the log-odds of {of}, negative against it",
            series=True,
        ),
    )
