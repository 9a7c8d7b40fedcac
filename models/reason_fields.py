"""Reasons in a signature: the words about the few contributions that moved an answer most."""

from models.signature import BYTES, OutputField

TOLD = 3


def reason_fields(reasons: str, told: str, of: str, names: str) -> tuple[OutputField, OutputField]:
    """The two outputs in a signature. of: what the contributions are to, in words."""
    return (
        OutputField(
            reasons,
            BYTES,
            description=f"The {TOLD} that moved {of} most, strongest first: {names}",
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
