"""Requests that once passed the request limit: replayed responses and concurrent documents.

Forty calls with one Idempotency-Key under a limit of five requests a minute, and eighty downloads
of an invoice as PDF at the same time.
"""

import asyncio
import sys
from collections import Counter
from dataclasses import replace

import httpx

from billing.metering.quotas import set_limit
from billing.tables import QuotaKind
from tests.attacks.support.target import Target, run_target
from tests.support.billing.making import bill_all_usage
from tests.support.builders import CHAT, PLENTY
from tests.support.clocks import ShiftedClock

LIMIT, CALLS, DOWNLOADS = 5, 40, 80
KEY = {"idempotency-key": "order 4711"}
CALL = {"model": CHAT, "messages": [{"role": "user", "content": "a"}], "max_tokens": 5}


async def attack() -> bool:
    terms = replace(PLENTY, requests=LIMIT)
    async with (
        run_target(terms) as target,
        httpx.AsyncClient(base_url=target.url, headers=target.headers, timeout=120) as http,
    ):
        replays_held = await _replays(http)
        await _bill(target)
        return await _downloads(http) and replays_held


async def _replays(http: httpx.AsyncClient) -> bool:
    path = "/v1/chat/completions"
    answers = [await http.post(path, json=CALL, headers=KEY) for _ in range(CALLS)]
    statuses = Counter(answer.status_code for answer in answers)
    replayed = sum("idempotent-replayed" in answer.headers for answer in answers)
    tell(f"{CALLS} calls with one key, limit of {LIMIT}: {dict(statuses)}, {replayed} replayed")
    return statuses[200] <= LIMIT


async def _bill(target: Target) -> None:
    """Create an invoice of the calls and remove the request limit."""
    clock = ShiftedClock()
    clock.to_next_month()
    await bill_all_usage(target.database, clock)
    async with target.database.transaction() as session:
        await set_limit(session, target.account.id, QuotaKind.REQUESTS, None)
    await asyncio.sleep(1)  # every gateway keeps to it within a second


async def _downloads(http: httpx.AsyncClient) -> bool:
    invoice = (await http.get("/v1/invoices")).json()["data"][0]["id"]
    path = f"/v1/invoices/{invoice}/pdf"
    answers = await asyncio.gather(*(http.get(path) for _ in range(DOWNLOADS)))
    statuses = Counter(answer.status_code for answer in answers)
    told = all("retry-after" in one.headers for one in answers if one.status_code == 429)
    tell(f"{DOWNLOADS} PDFs at once: {dict(statuses)}, refusals say when to try again: {told}")
    return told and set(statuses) <= {200, 429}


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    return 0 if asyncio.run(attack()) else 1


if __name__ == "__main__":
    sys.exit(main())
