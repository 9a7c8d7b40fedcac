"""E-mail addresses of people: the one form in which each is kept and compared.

Mail always goes to the kept address, never to one as it was typed: two texts that look alike could
else be two mailboxes.
"""

import unicodedata

from infra.errors import AppError
from infra.outbound.mail import is_address


class EmailInvalid(AppError):
    """A text that is no e-mail address, or has letters that fold into others."""

    status = 400
    type = "invalid_request_error"
    code = "email_invalid"


def normal_email(text: str) -> str:
    """NFKC and case-folded, as `li@plant.cn` of `ＬＩ@Plant.CN `. Raises EmailInvalid."""
    plain = unicodedata.normalize("NFKC", text[:400].strip())
    folded = unicodedata.normalize("NFKC", plain.casefold())
    # ß folds into ss, which may be somebody else's mailbox.
    if folded != plain.lower() or not folded.isprintable() or not is_address(folded):
        raise EmailInvalid("This is not an e-mail address that mail can go to.", param="email")
    return folded
