"""Models that each customer trains on a table with own columns, by the catalog's `adapter`."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.forecasting.data import FORECASTER, build_forecast_data
from models.forecasting.planning import describe_form, held_out_start, plan_form
from models.tables.schema import TableSchema
from models.tabular.data import TABULAR_GOALS, build_data

TABLE_ADAPTERS = frozenset({*TABULAR_GOALS, FORECASTER})


@dataclass(frozen=True, slots=True)
class TableSummary:
    """How many rows of a table a model can be trained on, and what was assumed or left out."""

    rows: int
    notes: Sequence[str]


def summarize_table(adapter: str, schema: TableSchema) -> TableSummary:
    """Check the rows of a table for one of TABLE_ADAPTERS. Raises TrainingFileInvalid."""
    if adapter == FORECASTER:
        series = build_forecast_data(schema)
        form = plan_form(series, held_out_start(series))
        return TableSummary(len(series), (*series.notes, *describe_form(series, form)))
    data = build_data(schema, TABULAR_GOALS[adapter])
    return TableSummary(len(data), data.notes)
