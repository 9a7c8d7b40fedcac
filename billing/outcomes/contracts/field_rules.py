"""Validation helpers for the fields of outcome contracts."""

import re

from infra.errors import AppError

# The same rule as for tag names in X-Maas-Tags.
_TAG = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class OutcomeTermsInvalid(AppError):
    """The terms of a contract are incomplete, out of range or contradictory."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_terms_invalid"


def is_tag(text: str) -> bool:
    """Return whether the text is a valid tag name: lower-case letters, digits, underscores."""
    return _TAG.fullmatch(text) is not None


def is_line(text: str, max_length: int) -> bool:
    """Return whether the text is one printable, non-blank line of at most `max_length`."""
    return 0 < len(text.strip()) <= len(text) <= max_length and text.isprintable()


def is_text(text: str, max_length: int) -> bool:
    """Return whether the text is printable, possibly of several lines, and not blank."""
    return is_line(text.replace("\n", " "), max_length)


def require(condition: bool, field: str, message: str) -> None:
    """Raise OutcomeTermsInvalid naming the field if the condition is false."""
    if not condition:
        raise OutcomeTermsInvalid(f"{field}: {message}.", param=field)
