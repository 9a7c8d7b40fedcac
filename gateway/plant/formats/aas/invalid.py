"""The error of a file that does not follow the AAS metamodel."""

from gateway.plant.formats.results import FormatInvalid
from models.sentences import sentence

_MAX_SHOWN = 200


def invalid_at(place: str, reason: str) -> FormatInvalid:
    """Return the error of a file with an element that the metamodel does not allow."""
    return FormatInvalid(
        sentence(
            "The file is not valid for the AAS metamodel 3.0, at {place}: {reason}",
            place=place[:_MAX_SHOWN],
            reason=reason[:_MAX_SHOWN],
        )
    )
