"""Usage rows that cost more than their quantities: an engine that reports more than reserved.

Each of 20 calls reserves for a short prompt, and the engine reports one of 100,000 tokens. Prints
how many rows have a cost without tokens, and the result of the reconciliation.
"""

import asyncio
import sys

import httpx

from billing.reconciliation.usage_and_quotas import reconcile
from tests.attacks.support.target import Target, run_target
from tests.support.builders import CHAT

CALLS = 20


async def attack(target: Target, http: httpx.AsyncClient) -> int:
    target.upstream.claims_prompt = 100_000
    body = {"model": CHAT, "messages": [{"role": "user", "content": "a b"}], "max_tokens": 5}
    for _ in range(CALLS):
        await http.post("/v1/chat/completions", json=body)
    usage = await http.get("/v1/usage", params={"limit": CALLS})
    rows = usage.json()["data"]
    wrong = [one for one in rows if not one["input_tokens"] and float(one["cost"])]
    cost = sum(float(one["cost"]) for one in wrong)
    async with target.database.transaction() as session:
        differences = (await reconcile(session)).differences
    sys.stdout.write(
        f"{len(rows)} rows, {sum(one['error_code'] == 'hold_exceeded' for one in rows)} with "
        f"hold_exceeded; {len(wrong)} rows of 0 tokens cost {cost:.9f} CNY; reconciliation finds "
        f"{len(differences)} differences\n"
    )
    return 1 if wrong or differences or len(rows) != CALLS else 0


async def run() -> int:
    async with (
        run_target() as target,
        httpx.AsyncClient(base_url=target.url, headers=target.headers, timeout=60) as http,
    ):
        return await attack(target, http)


def main() -> int:
    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
