"""`make bench-agents`, fourth part: appends to the prediction ledger under concurrency.

    python -m load.bench.agents.ledger [--appends 2000] [--writers 8]

PostgreSQL runs on this machine. Appends of one account wait for each other, because each record
names the digest of the one before it; those of different accounts do not.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.accounts.account_creation import AccountLimits, open_account
from billing.outcomes.predictions.content import (
    AgentVersion,
    Basis,
    NewPrediction,
    PredictionSource,
    PredictionVerdict,
)
from billing.outcomes.predictions.ledger import append_predictions
from billing.outcomes.predictions.model_keys import ModelSigner
from billing.outcomes.predictions.verification import verify_chain
from infra import ids
from infra.clock import SystemClock
from infra.database.database import Database
from load.bench.embedded_postgres import migrated_postgres

_ACCOUNTS = 20


@dataclass(frozen=True)
class _Ledger:
    """The parts that an append needs."""

    database: Database
    clock: SystemClock
    signer: ModelSigner

    async def append(self, account_id: UUID, batch: int) -> None:
        """Append new records in one transaction."""
        records = [_prediction(self.clock.now()) for _ in range(batch)]
        async with self.database.transaction() as session:
            await append_predictions(session, self.clock, self.signer, account_id, records)


def main() -> None:
    """Measure and print a report in Markdown."""
    asked = argparse.ArgumentParser(prog="python -m load.bench.agents.ledger")
    asked.add_argument("--appends", type=int, default=2_000)
    asked.add_argument("--writers", type=int, default=8)
    options = asked.parse_args()
    with migrated_postgres() as url:
        asyncio.run(_measure(url, options.appends, options.writers))


async def _measure(url: str, appends: int, writers: int) -> None:
    """Append to one account and to many, one record and a batch at a time."""
    ledger = _Ledger(Database(url, pool_size=writers), SystemClock(), ModelSigner(b"x" * 32))
    accounts = [await _open(ledger, number) for number in range(_ACCOUNTS)]
    print("| accounts | writers | records at a time | records/s | CPU of this process, ms |")
    print("|---|---|---|---|---|")
    for chosen, batch in ((accounts[:1], 1), (accounts, 1), (accounts[:1], 100)):
        await _round(ledger, chosen, writers, batch, appends)
    for account_id in accounts:
        async with ledger.database.transaction() as session:
            assert (await verify_chain(session, account_id)).fault is None
    await ledger.database.close()


async def _open(ledger: _Ledger, number: int) -> UUID:
    """Open an account and append a first record, with which its chain and the key begin."""
    limits = AccountLimits(100, None, None, None)
    async with ledger.database.transaction() as session:
        opened = await open_account(session, ledger.clock, f"Firm {number}", "CNY", limits)
    await ledger.append(opened.id, 1)
    return opened.id


async def _round(
    ledger: _Ledger, accounts: Sequence[UUID], writers: int, batch: int, appends: int
) -> None:
    """Append records by concurrent writers, and print how long it took."""
    each = max(1, appends // writers // batch)

    async def write(writer: int) -> None:
        for number in range(each):
            await ledger.append(accounts[(writer + number * writers) % len(accounts)], batch)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(write(one) for one in range(writers)))
    elapsed, busy = time.perf_counter() - began, time.process_time() - used
    records = each * writers * batch
    rates = f"{records / elapsed:,.0f} | {busy * 1000 / records:.2f}"
    print(f"| {len(accounts)} | {writers} | {batch} | {rates} |", flush=True)


def _prediction(now: datetime) -> NewPrediction:
    """Return a new warning by an agent."""
    return NewPrediction(
        subject="P-101",
        event="pump_failure",
        verdict=PredictionVerdict.YES,
        probability_ppm=800_000,
        horizon_from=now,
        horizon_to=now + timedelta(days=7),
        basis=Basis("failures", PredictionSource.AGENT),
        idempotency_key=ids.new_id().hex,
        agent=AgentVersion("agent_1", "1"),
    )


if __name__ == "__main__":
    main()
