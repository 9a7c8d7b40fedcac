"""Identity e-mails (invitation, password reset, security notices).

E-mails with a secret link are encrypted in the outbox, because operators can read the outbox.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outbox import enqueue
from gateway.identity.signup_mail_texts import SIGNUP_TEMPLATES
from infra.clock import Clock
from infra.secrets.sealer import Sealer
from infra.translations import MessageCatalog, gettext_noop, read_catalog

_TRANSLATIONS = Path(__file__).parent / "translations"

# By kind: subject and text.
_TEMPLATES: Mapping[str, tuple[str, str]] = {
    **SIGNUP_TEMPLATES,
    "invitation": (
        gettext_noop("Invitation to {account}"),
        gettext_noop(
            "Hello,\n\nYou have been invited to join {account}. Open this link within 7 days to "
            "set your name and password:\n\n{link}\n\nThe link can be used once. If you do not "
            "know who invited you, ignore this message.\n"
        ),
    ),
    "reset": (
        gettext_noop("Reset your password"),
        gettext_noop(
            "Hello,\n\nA password reset was requested for this address. Open this link within one "
            "hour:\n\n{link}\n\nThe link can be used once. If you did not request this, ignore "
            "this message. Your password is unchanged.\n"
        ),
    ),
    "password_changed": (
        gettext_noop("Your password was changed"),
        gettext_noop(
            "Hello,\n\nYour password was changed at {at} from {address}. All other devices were "
            "signed out.\nIf this was not you, reset your password immediately: {link}\n"
        ),
    ),
    "new_place": (
        gettext_noop("New sign-in"),
        gettext_noop(
            "Hello,\n\nThere was a sign-in at {at} from a new address or browser:\n\n{address}\n"
            "{agent}\n\nIf this was you, ignore this message. If not, end that session and change "
            "your password: {link}\n"
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class IdentityEmail:
    """An e-mail to a person: template, language and template values.

    `key` makes sending idempotent. `account_id` is None if the e-mail belongs to no account.
    `secret`: the text contains a link that lets its reader act as the recipient.
    """

    kind: str
    to: str
    language: str
    key: str
    account_id: UUID | None = None
    secret: bool = False
    values: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> tuple[str, str]:
        """Return subject and text."""
        texts = _texts(self.language)
        subject, text = _TEMPLATES[self.kind]
        return texts.text(subject, **self.values), texts.text(text, **self.values)


async def enqueue_email(
    session: AsyncSession, clock: Clock, sealer: Sealer, email: IdentityEmail
) -> None:
    """Render the e-mail and put it in the outbox; a repeated kind and key has no effect."""
    subject, text = email.render()
    key = f"email:{email.kind}:{email.key}"
    payload: dict[str, Any] = {"to": email.to, "subject": subject}
    if email.secret:
        payload["sealed"] = b64encode(sealer.seal(text, key)).decode()
    else:
        payload["text"] = text
    await enqueue(session, clock, email.account_id, "email", key, key, payload)


def _texts(language: str) -> MessageCatalog:
    """Return the catalog of translated e-mail texts for a language."""
    return read_catalog(_TRANSLATIONS, language)
