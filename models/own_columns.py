"""Kinds of models that customers train on tables with their own columns, and their file checks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from models.adaptation import require_no_problems
from models.anomaly_training.files import ADAPTER as ANOMALY
from models.anomaly_training.files import is_table
from models.decisions.costs import Side
from models.decisions.planning import plan_class_decider, require_limit_costs
from models.forecasting.data import build_forecast_data
from models.forecasting.planning import describe_form, held_out_start, plan_form
from models.monitoring.data import build_data as build_monitor_data
from models.monitoring.data import infer_monitor_schema
from models.problems import Problem, Problems
from models.sentences import Sentence, sentence
from models.series.class_data import build_classes
from models.series.life.data import build_lives
from models.signature import InputInvalid
from models.tables.reading import read_table
from models.tables.schema import LIFE_WORDS, Role, SchemaRequest, TableSchema, infer_schema
from models.tabular.data import Goal, build_data
from models.tabular.leakage import find_leaks


@dataclass(frozen=True, slots=True)
class TableCheck:
    """A table that a model can be trained on: its schema, number of examples, and remarks."""

    schema: TableSchema
    examples: int
    notes: tuple[Sentence, ...]


_NO_OBSERVATIONS = "Observed results are not supported for this model."
# Settings of anomaly detectors only.
_OF_ANOMALIES = ("normal", "false_alarms")
# Why some kinds of models are not compared with a ready-made one in their training.
_NOT_COMPARED: Mapping[str, str] = MappingProxyType(
    {
        "series_forecaster": "No ready-made model forecasts your series: a training compares the "
        "forecasts with the last season repeated.",
        ANOMALY: "No ready-made model knows the normal operation of your machine: a training "
        "compares the detector with limits on each column by itself.",
    }
)

CheckTable = Callable[[bytes, SchemaRequest], TableCheck]
"""Checks a file for a kind of model. Raises TrainingFileInvalid with all problems."""


def _check_rows(goal: Goal, content: bytes, request: SchemaRequest) -> TableCheck:
    """Check a table of single rows."""
    _refuse(request, "window", "cap", "censored", *_OF_ANOMALIES)
    schema = infer_schema(read_table(content), request)
    data = build_data(schema, goal)
    if goal is Goal.CLASS:
        plan_class_decider(request.costs, data.target.classes, data.target.indices)
    else:
        require_limit_costs(request.costs, Side.ABOVE)
    leaks = (leak.sentence for leak in find_leaks(data))
    return TableCheck(schema, len(data), (*schema.notes, *data.notes, *leaks))


def _check_lives(content: bytes, request: SchemaRequest) -> TableCheck:
    """Check a table of run-to-failure histories."""
    _refuse(request, "window", *_OF_ANOMALIES)
    schema = infer_schema(read_table(content), request, target_words=LIFE_WORDS)
    data = build_lives(schema, request)
    require_limit_costs(request.costs, Side.BELOW, request.cap)
    return TableCheck(schema, int(data.histories.lengths.sum()), (*schema.notes, *data.notes))


def _check_classes(content: bytes, request: SchemaRequest) -> TableCheck:
    """Check a table of series with classes."""
    _refuse(request, "cap", "censored", *_OF_ANOMALIES)
    schema = infer_schema(read_table(content), request)
    data = build_classes(schema, request)
    labels = np.concatenate(data.labels)
    plan_class_decider(request.costs, data.classes, labels[labels >= 0])
    return TableCheck(schema, int(data.series.lengths.sum()), (*schema.notes, *data.notes))


def _check_forecasts(content: bytes, request: SchemaRequest) -> TableCheck:
    """Check a table of series to forecast; the remarks say how a call is to be made."""
    _refuse(request, "window", "cap", "censored", "costs", *_OF_ANOMALIES)
    _refuse_ready_made(request, "series_forecaster")
    schema = infer_schema(read_table(content), request)
    data = build_forecast_data(schema)
    form = plan_form(data, held_out_start(data))
    return TableCheck(schema, len(data), (*schema.notes, *data.notes, *describe_form(data, form)))


def _check_anomalies(content: bytes, request: SchemaRequest) -> TableCheck:
    """Check a table of normal operation."""
    _refuse(request, "cap", "censored", "costs")
    _refuse_ready_made(request, ANOMALY)
    schema = infer_monitor_schema(content, request)
    data = build_monitor_data(schema, request)
    return TableCheck(schema, data.normal_count, (*schema.notes, *data.notes))


def _refuse(request: SchemaRequest, *fields: str) -> None:
    """Raise TrainingFileInvalid for settings that the kind of model does not have."""
    problems = Problems()
    for field in fields:
        if getattr(request, field):
            message = sentence("`schema.{field}` has no meaning for this model.", field=field)
            problems.add(
                Problem("unsupported_setting", message, sentence("Leave it out."), field=field)
            )
    require_no_problems(problems)


def _refuse_ready_made(request: SchemaRequest, adapter: str) -> None:
    """Raise TrainingFileInvalid, with the reason, for a kind that no ready-made model is like."""
    if request.ready_made is not None:
        name, problems = "ready_made", Problems()
        fix = sentence("Leave `schema.ready_made` out.")
        problems.add(Problem("unsupported_setting", _NOT_COMPARED[adapter], fix, field=name))
        require_no_problems(problems)


OF_ROWS: Mapping[str, Goal] = MappingProxyType(
    {"tabular_classifier": Goal.CLASS, "tabular_regressor": Goal.NUMBER}
)
"""What models of single rows predict, by the catalog's `adapter`."""

# Why observed results of some kinds of models are no rows of a training.
_NOT_APPENDED: Mapping[str, str] = MappingProxyType(
    {
        "series_forecaster": "What was observed after a forecast are the next rows of its series: "
        "upload the table again with the newer rows.",
        "series_life": "A remaining life is learned from whole histories: upload the table again "
        "with the histories of the machines that have failed since.",
        ANOMALY: "A detector is trained on normal operation alone: upload the table again with "
        "newer rows of normal operation.",
    }
)
_RUNS = "series_classifier"


def require_appendable(adapter: str | None) -> None:
    """Raise InputInvalid, with the reason, if observed results are no rows of a kind's training."""
    if adapter not in OF_ROWS and adapter != _RUNS:
        raise InputInvalid(_NOT_APPENDED.get(adapter or "", _NO_OBSERVATIONS))


def require_runs(adapter: str | None, content: bytes, request: SchemaRequest) -> None:
    """Raise InputInvalid if a classifier's table has longer series than runs of one class.

    Windows of a longer series overlap: observed ones would repeat each other, and a held-out one
    could be in the training. Raises TrainingFileInvalid for a file that is no table of series.
    """
    if adapter != _RUNS:
        return
    schema = infer_schema(read_table(content), request)
    if schema.single(Role.MACHINE) is None or not build_classes(schema, request).is_whole:
        raise InputInvalid(
            sentence(
                "Observed results are appended to tables of runs only, whose machine "
                "column names a run with one class. Upload the table again with the "
                "newer rows."
            )
        )


COMPARED: Mapping[str, Goal] = MappingProxyType(
    {**OF_ROWS, "series_classifier": Goal.CLASS, "series_life": Goal.NUMBER}
)
"""What models predict that can be compared with a ready-made one in their training."""

# By the catalog's `adapter`, like serving/training/fine_tune_task.py.
OWN_COLUMNS: Mapping[str, CheckTable] = MappingProxyType(
    {
        ANOMALY: _check_anomalies,
        "series_classifier": _check_classes,
        "series_forecaster": _check_forecasts,
        "series_life": _check_lives,
        **{adapter: partial(_check_rows, goal) for adapter, goal in OF_ROWS.items()},
    }
)


def find_table_check(adapter: str | None, content: bytes) -> CheckTable | None:
    """Return the check of a file for a kind of model, None if it is no table of own columns."""
    if adapter == ANOMALY and not is_table(content):
        return None
    return OWN_COLUMNS.get(adapter or "")
