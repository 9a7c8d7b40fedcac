"""Stating: what any field of a contract has to be, and the fact that terms are wrong.

Pure.
"""

import re

from infra.errors import AppError

# As X-Maas-Tags has the names of tags.
_TAG = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class OutcomeTermsInvalid(AppError):
    """A contract's terms are incomplete, absurd or contradict themselves."""

    status = 400
    type = "invalid_request_error"
    code = "outcome_terms_invalid"


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_line(text: str, most: int) -> bool:
    return 0 < len(text.strip()) <= len(text) <= most and text.isprintable()


def is_text(text: str, most: int) -> bool:
    return is_line(text.replace("\n", " "), most)


def require(holds: bool, field: str, otherwise: str) -> None:
    """Raises OutcomeTermsInvalid naming the field."""
    if not holds:
        raise OutcomeTermsInvalid(f"{field}: {otherwise}.", param=field)
