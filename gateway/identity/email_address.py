"""Normalize people's e-mail addresses for storage and comparison.

Mail always goes to the stored address, never to an address as typed: two texts that look alike may
be two mailboxes.
"""

import unicodedata

from infra.errors import AppError
from infra.outbound.mail import is_email_address


class EmailInvalid(AppError):
    """The text is not an e-mail address, or has letters that case folding changes (such as ß)."""

    status = 400
    type = "invalid_request_error"
    code = "email_invalid"


def normalize_email(text: str) -> str:
    """Return the address in NFKC, case-folded: `ＬＩ@Plant.CN ` becomes `li@plant.cn`.

    Raises EmailInvalid.
    """
    plain = unicodedata.normalize("NFKC", text[:400].strip())
    folded = unicodedata.normalize("NFKC", plain.casefold())
    # ß case-folds to ss, which may be another person's mailbox.
    if folded != plain.lower() or not folded.isprintable() or not is_email_address(folded):
        raise EmailInvalid("Enter a valid e-mail address.", param="email")
    return folded
