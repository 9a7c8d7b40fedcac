"""Inputs that once caused a 500: Host headers, NUL characters and dates in signed claims.

Sends each to a running gateway and counts responses of 500 and above.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx

from billing.outcomes.evidence.signatures import generate_key_pair, sign, signing_message
from tests.attacks.support.target import Target, run_target
from tests.support.builders import CHAT
from tests.support.outcomes.outcome_bodies import PUMPS, as_json
from tests.support.raw_http import wire_to

HOSTS = ["a:b", "x:1, y", "x:1:2", "x:99999", "[::1", "x/y", "user@x", "x,y", "\xff"]
PATHS = ["/health/live", "/v1/models", "/v1/chat/completions", "/dashboard/sign-in"]
TARGETS = ["/v1/usage?before=%00", "/v1/outcomes/evidence?contract=%00", "/v1/invoices/%00"]
CLAIMS = [
    {"outcome": "WO\x00", "subject": "P-1", "happened_at": "2026-11-01T00:00:00Z"},
    {"outcome": "WO\ud800", "subject": "P-1", "happened_at": "2026-11-01T00:00:00Z"},
    {"outcome": "WO-1", "subject": "P-1", "happened_at": "0001-01-01T00:00:00+14:00"},
    {"outcome": "WO-1", "subject": "P-1", "happened_at": "9999-12-31T23:59:59-14:00"},
]
DIGITS = "000000005" + "9" * 5_000
MESSAGES = [{"role": "user", "content": "a"}]


async def attack() -> bool:
    async with (
        run_target() as target,
        httpx.AsyncClient(base_url=target.url, headers=target.headers, timeout=60) as http,
    ):
        answers = {
            "Host": [one async for one in _hosts(target)],
            "NUL in an address": [(await http.get(path)).status_code for path in TARGETS],
            "signed claims": [one async for one in _claims(http)],
            "bodies and headers": [one async for one in _bodies(http)],
        }
    for name, statuses in answers.items():
        faults = sum(status >= 500 for status in statuses)
        sys.stdout.write(f"{name}: {len(statuses)} requests, {faults} answers of 500 or more\n")
    return all(status < 500 for statuses in answers.values() for status in statuses)


async def _hosts(target: Target) -> AsyncIterator[int]:
    for path in PATHS:
        for host in HOSTS:
            async with wire_to(target.url) as wire:
                head = f"GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
                await wire.send(head.encode("latin-1"))
                line = await wire.reader.readline()
            yield int(line.split()[1])


async def _claims(http: httpx.AsyncClient) -> AsyncIterator[int]:
    private, public = generate_key_pair()
    contract = (await http.post("/v1/outcomes/contracts", content=as_json(PUMPS))).json()
    wish = {"contract": "pumps", "kind": "sign_off", "name": "A", "public_key": public.decode()}
    attester = (await http.post("/v1/outcomes/attesters", json=wish)).json()["id"]
    asked = {"contract": "pumps", "kind": "claim"}
    for claim in CLAIMS:
        body = json.dumps(claim).encode()
        signature = sign(private, signing_message(contract["id"], "claim", body))
        headers = {"x-maas-attester": attester, "x-maas-signature": signature}
        sent = await http.post("/v1/outcomes/evidence", params=asked, content=body, headers=headers)
        yield sent.status_code
        if sent.status_code == 200:
            claimed = {"contract": "pumps", "evidence": sent.json()["id"]}
            yield (await http.post("/v1/outcomes", json=claimed)).status_code


async def _bodies(http: httpx.AsyncClient) -> AsyncIterator[int]:
    alert = {"url": "https://hook.example/\x00", "percentages": [80]}
    yield (await http.post("/v1/alerts", json=alert)).status_code
    store = (await http.post("/v1/vector_stores", json={"name": "a"})).json()["id"]
    filters = {"type": "eq", "key": "\x00", "value": "\x00"}
    search: dict[str, Any] = {"query": "a", "filters": filters}
    yield (await http.post(f"/v1/vector_stores/{store}/search", json=search)).status_code
    chat: dict[str, Any] = {"model": CHAT, "messages": MESSAGES, "max_tokens": 1}
    tool = {"type": "file_search", "vector_store_ids": [store], "filters": filters}
    yield (await http.post("/v1/chat/completions", json={**chat, "tools": [tool]})).status_code
    headers = {"x-maas-latency-ms": DIGITS}
    auto = {**chat, "model": "auto"}
    yield (await http.post("/v1/chat/completions", json=auto, headers=headers)).status_code
    page = f"/v1/organization/usage/completions?start_time=0&page=page_{DIGITS}"
    yield (await http.get(page)).status_code


def main() -> int:
    return 0 if asyncio.run(attack()) else 1


if __name__ == "__main__":
    sys.exit(main())
