"""Secrets do not leak when requests fail.

The tests search for planted secrets in logs with tracebacks, responses, metrics, audit and usage
rows, and the outbox.
"""

import asyncio
import io
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import create_engine, text

from gateway.access.key_format import generate_api_key
from infra.database.connect import driver_url
from infra.outbound.allowed_addresses import AllowedAddresses
from infra.outbound.webhook_post import PostFailed, SignedPoster, new_secret
from infra.telemetry.log import configure_logging
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.clocks import ShiftedClock
from tests.support.fakes.upstream import FakeUpstream

PASSWORD = "planted wise turbines"
CODE = "734219"
LINK = "planted_link_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV"
COOKIE = "planted_session_c2Vzc2lvbnNlc3Npb25zZXNzaW9u"
STRIPE, SIGNING = "sk_test_planted51abcdefgh", "whsec_planted1234567890abcd"
INSTALLATION = "planted installation secret, of 32 and more"
UNKNOWN = generate_api_key()
# One connection per request: an event loop that waits for a table lock closes idle connections.
ALONE = {"connection": "close"}
TABLES = (
    "api_key",
    "person",
    "login_session",
    "kept_input",
    "one_time_token",
    "outbox",
    "training_file",
)


@dataclass
class Heard:
    """The application's responses."""

    answers: list[str] = field(default_factory=list)

    async def ask(self, http: httpx.AsyncClient, method: str, path: str, **values: Any) -> int:
        answer = await http.request(method, path, **values)
        # A page may contain its own path, for example in a form.
        text = answer.text.replace(path, "") if path.startswith("/dashboard") else answer.text
        self.answers.append(f"{answer.headers}\n{text}")
        return answer.status_code


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that a real process logs, at debug level."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("debug")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def guarded(
    database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> AsyncIterator[Gateway]:
    """A gateway with every secret configured; Stripe is not reachable."""
    configured = builders.settings(
        database_url,
        tmp_path,
        upstream.url,
        secret_key=INSTALLATION,
        stripe_secret_key=STRIPE,
        stripe_webhook_secret=SIGNING,
        stripe_api_base="http://127.0.0.1:1",
        dashboard=True,
    )
    async with run_gateway(configured) as running:
        running.http.headers.update(ALONE)
        yield running


@contextmanager
def without(database_url: str, table: str) -> Iterator[None]:
    """Rename a table, so that requests which need it fail with an unexpected error."""
    engine = create_engine(driver_url(database_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"alter table {table} rename to gone"))
        try:
            yield
        finally:
            connection.execute(text(f"alter table gone rename to {table}"))
    engine.dispose()


async def fail_at_the_dashboard(heard: Heard, url: str) -> None:
    headers = {"origin": url, "cookie": f"maas_session={COOKIE}", **ALONE}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as http:
        form = {"email": "li@acme.example", "password": PASSWORD, "code": CODE, "csrf": COOKIE}
        await heard.ask(http, "GET", "/dashboard")
        for path in ("sign-in", "sign-in/code", "forgot", f"reset/{LINK}", f"invitation/{LINK}"):
            await heard.ask(http, "GET", f"/dashboard/{path}")
            await heard.ask(http, "POST", f"/dashboard/{path}", data=form)


async def fail_at_the_api(heard: Heard, gateway: Gateway) -> None:
    chat = {"model": builders.CHAT, "messages": [{"role": "user", "content": "fault"}]}
    for secret in (gateway.key.secret, UNKNOWN, f"{UNKNOWN}x"):
        headers = {"authorization": f"Bearer {secret}", **ALONE}
        async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=60) as http:
            await heard.ask(http, "POST", "/v1/chat/completions", json=chat)
            await heard.ask(http, "POST", f"/v1/nowhere/{secret}", content=secret.encode())
            await heard.ask(http, "POST", "/v1/chat/completions", content=f"{{{secret}")
            await heard.ask(http, "GET", "/v1/usage", params={"before": secret})
            await heard.ask(http, "GET", "/v1/files")
            wish = {"page": "setup", "return_url": f"https://a.example/?{secret}"}
            await heard.ask(http, "POST", "/v1/payment-pages", json=wish)
    forged = {"stripe-signature": f"t=1,v1={SIGNING}"}
    await heard.ask(gateway.http, "POST", "/stripe/webhook", content=b"{}", headers=forged)


async def everything_recorded(database_url: str) -> str:
    """Every row of the tables that people read, and of the outbox."""

    def read() -> str:
        engine = create_engine(driver_url(database_url))
        with engine.connect() as connection:
            found = "".join(
                str(connection.execute(text(f"select array_agg(t::text) from {table} t")).scalar())
                for table in ("audit_entry", "usage", "outbox", "alert_sent")
            )
        engine.dispose()
        return found

    return await asyncio.to_thread(read)


async def test_no_secret_is_in_logs_responses_or_records_of_failures(
    guarded: Gateway, database_url: str, written: io.StringIO
) -> None:
    heard = Heard()
    for table in TABLES:
        with without(database_url, table):
            await fail_at_the_api(heard, guarded)
            await fail_at_the_dashboard(heard, guarded.url)
    await heard.ask(guarded.http, "GET", "/metrics")
    logs = written.getvalue()
    said = "\n".join([logs, *heard.answers, await everything_recorded(database_url)])
    # Otherwise no unexpected error occurred, or it was not logged.
    assert "Traceback" in logs
    assert "/dashboard/reset/[struck out]" in logs
    assert "Traceback" not in "".join(heard.answers)
    planted = {
        **{"password": PASSWORD, "link": LINK, "session": COOKIE, "code": CODE},
        **{"Stripe": STRIPE, "signing secret": SIGNING, "installation": INSTALLATION},
        **{"key": guarded.key.secret, "another key": UNKNOWN},
    }
    assert {name for name, secret in planted.items() if secret in said} == set()


async def test_webhook_secret_and_path_are_not_in_its_error() -> None:
    secret, address = new_secret(), f"http://127.0.0.1:1/{LINK}"
    with pytest.raises(PostFailed) as failed:
        await SignedPoster(AllowedAddresses()).post(address, secret, "a", {}, ShiftedClock().now())
    assert secret not in str(failed.value)
    assert LINK not in str(failed.value)
