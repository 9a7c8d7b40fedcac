"""Sign-ups on a real database: texts, credit codes with check digits, forms and their codes."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from stdnum.cn import uscc

from billing.accounts.account_creation import AccountLimits
from gateway.identity.client_origin import ClientOrigin
from gateway.signups.disposable_domains import DisposableDomains
from gateway.signups.factory import build_signups
from gateway.signups.form import SignupForm
from gateway.signups.service import SignupResult, SignupService
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.settings import Settings
from tests.support.builders import settings
from tests.support.gateway.desks import PASSWORD, Desk
from tests.support.passwords import QUICK

VERSIONS = {"terms": "2026-11-01", "privacy": "2026-11-02"}
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LIMITS = AccountLimits(0, 600, 500_000, 64)
DOMAINS = DisposableDomains(frozenset({"mailinator.com"}))


def write_texts(folder: Path) -> Path:
    """Write the four texts of an operator."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, version in VERSIONS.items():
        for language in ("en", "zh"):
            text = f"Version: {version}\nThe {kind} <b>text</b>.\n\nIn {language}.\n"
            folder.joinpath(f"{kind}.{language}.md").write_text(text, encoding="utf-8")
    return folder


def credit_code(number: int) -> str:
    """A valid unified social credit code, another one for each number."""
    base = f"91330200MA{number:07d}"
    return base + uscc.calc_check_digit(base)


def signup_settings(database_url: str, folder: Path, **values: Any) -> Settings:
    """Settings with sign-up on and a starting grant of 20."""
    texts = write_texts(folder / "texts")
    given = {"sign_up": True, "sign_up_texts_dir": texts, "sign_up_grant": "20", **values}
    return settings(database_url, folder, "http://127.0.0.1:1", **given)


def service(database: Database, clock: Clock, given: Settings) -> SignupService:
    return build_signups(given, clock, database, QUICK)


def form(number: int = 1, **values: Any) -> SignupForm:
    """A valid form, of another company and person for each number."""
    plain = SignupForm(
        company_name=f"Ningbo Works {number} Co., Ltd.",
        contact_name="Li Xuemei",
        email=f"li@plant{number}.example",
        password=PASSWORD,
        credit_code=credit_code(number),
        versions=VERSIONS,
    )
    return replace(plain, **values)


def place(number: int = 1) -> ClientOrigin:
    """An address in a network of its own for each number."""
    return ClientOrigin(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1", "Firefox")


class Applicant:
    """Someone who signs up, and reads the e-mails."""

    def __init__(self, desk: Desk, signups: SignupService) -> None:
        self.desk = desk
        self.signups = signups

    async def start(
        self, sent: SignupForm, at: ClientOrigin | None = None, device: str | None = None
    ) -> UUID:
        signup_id = ids.new_id()
        await self.signups.start(sent, at or place(), signup_id, device)
        return signup_id

    async def code(self, signup_id: UUID) -> str:
        """The code of the latest e-mail of a sign-up."""
        rows = await self.desk.sql(
            # Ids are in the order of time: the index on them finds the few later messages.
            "select business_key, payload from outbox where id > :signup_id "
            "and business_key like :key order by id desc limit 1",
            signup_id=signup_id,
            key=f"email:signup_code:{signup_id.hex}-%",
        )
        text = self.desk.text_of(*rows[0])
        found = re.search(r"^\d{6}$", text, re.MULTILINE)
        assert found is not None
        return found[0]

    async def sign_up(
        self, sent: SignupForm, at: ClientOrigin | None = None, device: str | None = None
    ) -> SignupResult:
        """Send the form and enter its code."""
        signup_id = await self.start(sent, at, device)
        return await self.signups.enter_code(signup_id, await self.code(signup_id), at or place())
