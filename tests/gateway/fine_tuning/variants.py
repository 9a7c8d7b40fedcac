"""Helpers that wait until a variant is listed, has a version or is deleted."""

from typing import Any

from tests.support.fakes.upstream import FakeUpstream
from tests.support.gateway.customers import Customer
from tests.support.waiting import until_true


async def known(customer: Customer, name: str, there: bool = True) -> None:
    """Wait until the gateway lists the variant, or no longer does; it polls for changes."""

    async def as_expected() -> bool:
        models = await customer.openai.models.list()
        return (name in {model.id for model in models.data}) == there

    await until_true(as_expected)


async def version(customer: Customer, name: str, number: int) -> None:
    """Wait until the variant is listed with this version."""

    async def listed() -> bool:
        models: list[Any] = (await customer.openai.models.list()).data
        return number in [model.version for model in models if model.id == name]

    await until_true(listed)


async def adapted(customer: Customer, suffix: str = "line-3") -> str:
    job = await customer.adapts(suffix=suffix)
    name: str = job.fine_tuned_model
    await known(customer, name)
    return name


async def removed(upstream: FakeUpstream, paths: list[str]) -> None:
    """Wait until the model server was asked to delete the variants, a background task."""

    async def deleted() -> bool:
        return upstream.learner.deleted == paths

    await until_true(deleted)
