"""A reference of one input and one prediction, and counts of calls by its bins."""

import numpy as np

from models.drift.counts_text import format_counts
from models.drift.reference import Reference, fit_categories, fit_numbers
from tests.support.gateway.customers import Customer

PRESSURES = np.linspace(0, 100, 1_000)
REFERENCE = Reference(
    (fit_numbers("pressure", "bar", PRESSURES),),
    fit_categories("failure", np.array(["no"] * 900 + ["yes"] * 100)),
)


def counts(rows: int, shift: float = 0.0) -> list[int]:
    """The counts of rows whose pressure is that of the training, but for a shift."""
    pressures = np.linspace(0, 100, rows) + shift
    failures = np.array((["no"] * 9 + ["yes"]) * rows)[:rows]
    counted: list[int] = REFERENCE.count({"pressure": pressures}, failures).tolist()
    return counted


def bins(rows: int, shift: float = 0.0) -> str:
    """The header of a response to a call with such rows."""
    return format_counts(counts(rows, shift))


async def adapted(customer: Customer) -> str:
    """The name of a model that was trained and is called by it."""
    job = await customer.adapts()
    assert job.status == "succeeded", job.error
    name: str = job.fine_tuned_model
    return name
