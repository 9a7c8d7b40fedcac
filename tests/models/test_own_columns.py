"""Kinds of models of own columns: settings that one of them does not have."""

import pytest

from models.adaptation import TrainingFileInvalid
from models.own_columns import COMPARED, OWN_COLUMNS
from models.ready_made.values import ReadyMade
from models.tables.schema import SchemaRequest

STATED = SchemaRequest(target="load", ready_made=ReadyMade(model="any"))
FILE = b"time,load\n2026-03-01 08:00,1\n2026-03-01 09:00,2\n"


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [("series_forecaster", "the last season repeated"), ("anomaly", "limits on each column")],
)
def test_kind_without_ready_made_model_says_what_it_is_compared_with(
    adapter: str, reason: str
) -> None:
    with pytest.raises(TrainingFileInvalid, match=reason) as caught:
        OWN_COLUMNS[adapter](FILE, STATED)
    (problem,) = caught.value.problems.shown
    assert (problem.code, problem.field) == ("unsupported_setting", "ready_made")


def test_every_other_kind_can_be_compared() -> None:
    assert COMPARED.keys() == OWN_COLUMNS.keys() - {"series_forecaster", "anomaly"}
