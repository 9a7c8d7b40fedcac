"""Identity e-mails (invitation, password reset, security notices) in Chinese and English.

E-mails with a secret link are encrypted in the outbox, because operators can read the outbox.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outbox import enqueue
from infra.clock import Clock
from infra.secrets.sealer import Sealer

_TEMPLATES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "invitation": {
        "zh": (
            "邀请您加入 {account}",
            "您好：\n\n您被邀请加入 {account}。请在 7 天内打开以下链接，设置姓名和密码：\n\n"
            "{link}\n\n链接只能使用一次。如果您不认识邀请方，请忽略本邮件。\n",
        ),
        "en": (
            "Invitation to {account}",
            "Hello,\n\nYou have been invited to join {account}. Open this link within 7 days to "
            "set your name and password:\n\n{link}\n\nThe link can be used once. If you do not "
            "know who invited you, ignore this message.\n",
        ),
    },
    "reset": {
        "zh": (
            "重设密码",
            "您好：\n\n我们收到了为此邮箱重设密码的请求。请在 1 小时内打开以下链接：\n\n{link}\n\n"
            "链接只能使用一次。如果不是您本人操作，请忽略本邮件，密码不会改变。\n",
        ),
        "en": (
            "Reset your password",
            "Hello,\n\nA password reset was requested for this address. Open this link within one "
            "hour:\n\n{link}\n\nThe link can be used once. If you did not request this, ignore "
            "this message. Your password is unchanged.\n",
        ),
    },
    "password_changed": {
        "zh": (
            "密码已更改",
            "您好：\n\n您的密码已于 {at} 更改，操作来自 {address}。其他设备均已退出登录。\n"
            "如果不是您本人操作，请立即重设密码：{link}\n",
        ),
        "en": (
            "Your password was changed",
            "Hello,\n\nYour password was changed at {at} from {address}. All other devices were "
            "signed out.\nIf this was not you, reset your password immediately: {link}\n",
        ),
    },
    "new_place": {
        "zh": (
            "新设备登录",
            "您好：\n\n您于 {at} 从新的地址或浏览器登录：\n\n{address}\n{agent}\n\n"
            "如果是您本人操作，请忽略本邮件。如果不是，请结束该会话并更改密码：{link}\n",
        ),
        "en": (
            "New sign-in",
            "Hello,\n\nThere was a sign-in at {at} from a new address or browser:\n\n{address}\n"
            "{agent}\n\nIf this was you, ignore this message. If not, end that session and change "
            "your password: {link}\n",
        ),
    },
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
        subject, text = _TEMPLATES[self.kind][self.language]
        return subject.format(**self.values), text.format(**self.values)


async def enqueue_email(
    session: AsyncSession, clock: Clock, sealer: Sealer, email: IdentityEmail
) -> None:
    """Render the e-mail and put it in the outbox, once per key."""
    subject, text = email.render()
    key = f"email:{email.kind}:{email.key}"
    payload: dict[str, Any] = {"to": email.to, "subject": subject}
    if email.secret:
        payload["sealed"] = b64encode(sealer.seal(text, key)).decode()
    else:
        payload["text"] = text
    await enqueue(session, clock, email.account_id, "email", key, key, payload)
