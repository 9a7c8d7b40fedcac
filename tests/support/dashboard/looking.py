"""A dashboard client over a real socket, like a browser without scripts."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from gateway.components import Components
from gateway.identity.client_origin import ClientOrigin
from gateway.identity.roles import Role
from gateway.identity.sessions import create_session
from gateway.tables import LoginSession, Membership, Person
from infra import ids
from tests.support.builders import NO_TLS

PLACE = ClientOrigin("127.0.0.1", "a test")
# Argon2 of nothing that anybody knows: these people sign in by a session that is made for them.
_UNKNOWN = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA"


@dataclass
class Looker:
    """A person with a session and the cookies and tokens of their browser."""

    http: httpx.AsyncClient
    csrf: str
    person_id: UUID

    async def page(self, address: str, status: int = 200, **headers: str) -> str:
        """The text of a page."""
        answer = await self.http.get(address, headers=headers)
        assert answer.status_code == status, f"{address}: {answer.status_code}"
        return answer.text

    async def send(self, address: str, /, **fields: Any) -> httpx.Response:
        """Submit a form with the CSRF token of this session."""
        return await self.http.post(address, data={"csrf": self.csrf, **fields})


def client(url: str, language: str = "en") -> httpx.AsyncClient:
    """A client without a session."""
    headers = {"origin": url, "accept-language": language}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=60, verify=NO_TLS)


@asynccontextmanager
async def looker(
    url: str,
    parts: Components,
    account_id: UUID | None,
    role: Role = Role.OWNER,
    language: str = "en",
) -> AsyncIterator[Looker]:
    """A signed-in person with a role in an account or on the platform."""
    async with parts.database.transaction() as session:
        person = Person(
            id=ids.new_id(),
            email=f"{ids.new_id().hex}@acme.example",
            name="Li Xuemei",
            password_hash=_UNKNOWN,
            platform_role=role.value if role.is_platform_role else None,
            recovery=[],
            created_at=parts.clock.now(),
        )
        session.add(person)
        await session.flush()
        if account_id is not None:
            session.add(
                Membership(
                    person_id=person.id,
                    account_id=account_id,
                    role=role.value,
                    created_at=parts.clock.now(),
                )
            )
        opened = await create_session(session, parts.clock, person.id, account_id, PLACE)
        row = await session.get_one(LoginSession, opened.session_id)
    async with client(url, language) as http:
        http.cookies.set("maas_session", opened.token)
        yield Looker(http, row.csrf, person.id)


def words(page: str) -> str:
    """The text of a page without tags."""
    without = re.sub(r"<(script|style|head)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without)).split())
