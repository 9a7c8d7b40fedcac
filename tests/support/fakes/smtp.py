"""A fake mail server on a real socket: aiosmtpd with responses set by tests.

Stores received messages; a test sets the response of a step, `RCPT` or `DATA`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Taken:
    """A message that the server accepted."""

    sender: str
    recipients: list[str]
    body: bytes


@dataclass
class FakeSmtp:
    """A mail server at `url`; with a password it requires that of the user `maas`."""

    url: str = ""
    password: str = ""
    taken: list[Taken] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        if self.password and not session.authenticated:
            return "530 5.7.0 authentication required"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        self.taken.append(Taken(envelope.mail_from or "", envelope.rcpt_tos, envelope.content))
        return "250 OK"

    def login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        right = LoginPassword(b"maas", self.password.encode())
        return AuthResult(success=data == right, handled=False)


@asynccontextmanager
async def run_fake_smtp() -> AsyncIterator[FakeSmtp]:
    """Serve until the block ends."""
    fake, loop = FakeSmtp(), asyncio.get_running_loop()

    def connected() -> SMTP:
        return SMTP(fake, authenticator=fake.login, auth_require_tls=False, loop=loop)

    server = await loop.create_server(connected, "127.0.0.1", 0)
    fake.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()
