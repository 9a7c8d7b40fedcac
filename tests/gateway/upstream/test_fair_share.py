"""Limits of an account above its share of a model: first tokens of others do not wait for it."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from gateway.call.errors import UpstreamBusy
from gateway.call.values import ServiceTier
from gateway.upstream.concurrency import Scheduler, fair_share_limits
from gateway.upstream.fair_share import NO_LIMITS, FairShare, FairShareLimits
from infra.settings import Settings
from tests.gateway.upstream.bought_model import until
from tests.support import builders
from tests.support.builders import Gateway, run_gateway
from tests.support.fakes.upstream import FakeUpstream
from tests.support.virtual_time import run_in_virtual_time

NOISY, QUIET = uuid4(), uuid4()
D, PRIORITY = ServiceTier.DEFAULT, ServiceTier.PRIORITY
SLOTS, PREFILL_TOKENS_S, TOKEN_S = 16, 20_000, 0.01


def busy(limits: FairShareLimits) -> FairShare:
    """Two accounts are active since second 100."""
    share = FairShare(limits)
    for account in (QUIET, NOISY):
        share.record_arrival(account, 100.0)
    return share


class TestShare:
    def test_account_above_its_share_leaves_slots_free(self) -> None:
        share = busy(FairShareLimits(0.25))
        assert share.may_start(NOISY, running=3, slots=8, free=1, now=100.0)
        assert share.may_start(NOISY, running=4, slots=8, free=3, now=100.0)
        assert not share.may_start(NOISY, running=4, slots=8, free=2, now=100.0)

    def test_account_alone_may_use_all_slots(self) -> None:
        share = FairShare(FairShareLimits(0.25, 1.0))
        share.record_arrival(NOISY, 100.0)
        share.record_start(NOISY, 500, 100.0)
        assert share.may_start(NOISY, running=7, slots=8, free=1, now=100.0)

    def test_account_is_active_for_half_a_minute_after_a_call(self) -> None:
        share = busy(FairShareLimits(0.25))
        share.record_arrival(NOISY, 130.0)
        assert not share.may_start(NOISY, running=7, slots=8, free=1, now=130.0)
        share.record_arrival(NOISY, 130.1)
        assert share.may_start(NOISY, running=7, slots=8, free=1, now=130.1)

    def test_prompts_above_the_share_follow_at_the_rate(self) -> None:
        share = busy(FairShareLimits(prompt_tokens_s=1000.0))
        share.record_start(NOISY, 500, 100.0)
        share.record_start(NOISY, 500, 100.1)
        assert not share.may_start(NOISY, running=4, slots=8, free=4, now=100.9)
        assert share.may_start(NOISY, running=3, slots=8, free=4, now=100.9)
        assert share.may_start(NOISY, running=4, slots=8, free=4, now=101.0)
        assert share.may_start(QUIET, running=4, slots=8, free=4, now=100.9)

    def test_limits_are_those_of_the_settings_per_process(self) -> None:
        assert fair_share_limits(Settings()) == FairShareLimits(0.125, None)
        settings = Settings(fair_free_share=0, fair_prompt_tokens_s=9000, workers=2)
        assert fair_share_limits(settings) == FairShareLimits(0.0, 4500.0)


class TestScheduler:
    async def test_priority_call_takes_the_slot_that_others_leave_free(self) -> None:
        scheduler = Scheduler(4, 10, FairShareLimits(0.25))
        (await scheduler.acquire(D, QUIET)).release()
        held = [await scheduler.acquire(D, NOISY) for _ in range(3)]
        assert scheduler.is_full(D, NOISY)
        assert not scheduler.is_full(D, QUIET)
        await scheduler.acquire(PRIORITY, NOISY)
        held[0].release()

    def test_waiting_prompt_is_sent_when_its_time_has_come(self) -> None:
        assert run_in_virtual_time(_second_prompt_delay()) == 0.5


async def _second_prompt_delay() -> float:
    """Seconds until the second of two prompts of 500 tokens, at 1,000 tokens per second."""
    loop = asyncio.get_running_loop()
    scheduler = Scheduler(2, 10, FairShareLimits(prompt_tokens_s=1000.0), loop.time)
    (await scheduler.acquire(D, QUIET)).release()
    await scheduler.acquire(D, NOISY, 500)
    await scheduler.acquire(D, NOISY, 500)
    return round(loop.time(), 1)


@dataclass(frozen=True, slots=True)
class TimedCall:
    """A call of an engine that reads prompts one by one and generates for all slots at once."""

    at_s: float
    account: UUID
    prompt_tokens: int
    output_tokens: int


def calls(account: UUID, per_s: float, prompt_tokens: int, seed: int) -> list[TimedCall]:
    """Calls of two minutes, at random times and with random lengths."""
    rng, at_s, made = random.Random(seed), 0.0, []  # no secret
    while (at_s := at_s + rng.expovariate(per_s)) < 120:
        prompt, output = rng.expovariate(1 / prompt_tokens), rng.expovariate(1 / 150)
        made.append(TimedCall(at_s, account, 1 + int(prompt), 1 + int(output)))
    return made


async def first_tokens(made: list[TimedCall], limits: FairShareLimits) -> list[float]:
    """The seconds to the first token of the quiet account's calls, in order."""
    loop, reading = asyncio.get_running_loop(), asyncio.Lock()
    scheduler, waited = Scheduler(SLOTS, 100, limits, loop.time), []

    async def send(call: TimedCall) -> None:
        await asyncio.sleep(call.at_s)
        try:
            slot = await scheduler.acquire(D, call.account, call.prompt_tokens)
        except UpstreamBusy:
            return
        async with reading:
            await asyncio.sleep(call.prompt_tokens / PREFILL_TOKENS_S)
        if call.account == QUIET:
            waited.append(loop.time() - call.at_s)
        await asyncio.sleep(call.output_tokens * TOKEN_S)
        slot.release()

    await asyncio.gather(*map(send, made))
    return sorted(waited)


def test_first_tokens_beside_a_noisy_account_come_nearly_as_fast_as_alone() -> None:
    quiet = calls(QUIET, 1.6, 300, seed=1)
    both = quiet + calls(NOISY, 12.0, 1000, seed=2)
    alone = run_in_virtual_time(first_tokens(quiet, NO_LIMITS))
    in_turns, free, paced = (
        run_in_virtual_time(first_tokens(both, limits))
        for limits in (NO_LIMITS, FairShareLimits(0.125), FairShareLimits(0.125, 5000.0))
    )
    medians = [waited[len(waited) // 2] for waited in (alone, in_turns, free, paced)]
    added = [median - medians[0] for median in medians[1:]]
    assert len({len(waited) for waited in (alone, in_turns, free, paced)}) == 1
    assert added[1] < added[0] / 2
    assert added[2] < added[1] / 2


async def test_quiet_account_is_served_at_once_beside_a_noisy_one(
    database_url: str, tmp_path: Path, upstream: FakeUpstream
) -> None:
    configured = builders.settings(database_url, tmp_path, upstream.url, model_concurrency=8)
    async with run_gateway(configured) as gateway:
        account, key = await builders.customer(gateway.parts.database, configured, "Quiet")
        headers = {"authorization": f"Bearer {key.secret}"}
        async with builders.client(gateway.url, headers) as http:
            other = Gateway(gateway.url, gateway.parts, account, key, http)
            assert (await other.chat("quiet")).status_code == 200
            upstream.delay_s = 0.2
            noisy = [asyncio.create_task(gateway.chat("noisy")) for _ in range(12)]
            await until(lambda: upstream.running == 7)
            quiet = asyncio.create_task(other.chat("quiet"))
            await until(lambda: upstream.running == 8)
            assert {answer.status_code for answer in await asyncio.gather(quiet, *noisy)} == {200}
    prompts = [body["messages"][-1]["content"] for body in upstream.received]
    assert prompts[:9] == ["quiet", *["noisy"] * 7, "quiet"]
