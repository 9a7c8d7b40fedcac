"""Waiting for variants: until they are known, numbered or deleted."""

import asyncio
from typing import Any

from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer

# Of 50 ms each, where nothing tells that something has happened.
LOOKS = 600


async def known(customer: Customer, name: str, there: bool = True) -> None:
    """Wait until the process has heard of a change: it asks several times a second."""
    for _ in range(LOOKS):
        models = await customer.openai.models.list()
        if (name in {model.id for model in models.data}) == there:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} is not as expected")


async def version(customer: Customer, name: str, number: int) -> None:
    for _ in range(LOOKS):
        listed: list[Any] = (await customer.openai.models.list()).data
        if number in [model.version for model in listed if model.id == name]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{name} does not come to version {number}")


async def adapted(customer: Customer, suffix: str = "line-3") -> str:
    job = await customer.adapts(suffix=suffix)
    name: str = job.fine_tuned_model
    await known(customer, name)
    return name


async def removed(upstream: FakeUpstream, paths: list[str]) -> None:
    """Wait until the server was told, which it is behind the customer's back."""
    for _ in range(LOOKS):
        if upstream.learner.deleted == paths:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{paths} are not deleted, but {upstream.learner.deleted}")
