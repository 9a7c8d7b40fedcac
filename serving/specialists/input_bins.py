"""Count the rows of a call by the bins of a model's reference, for the gateway to add up.

The gateway has the database, and the replica the model: the counts travel in a header of the
response, a row as one slot for each watched input. No values leave the replica in this way.
"""

from models.drift.counts_text import format_counts
from models.signature import Columns
from serving.specialists.fitted import TableSpecialist
from serving.specialists.specialist import Specialist


def describe_bins(model: Specialist, columns: Columns, results: Columns) -> str | None:
    """Return the counts of a call as the text of its header; None if the model is not watched."""
    if not isinstance(model, TableSpecialist):
        return None
    counts = model.variant.count_inputs(columns, results)
    return None if counts is None else format_counts(counts.tolist())
