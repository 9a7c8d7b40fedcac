"""Files of anomaly detectors: hours in JSON lines or tables, and the settings of each."""

import json

import pytest

from models.adaptation import TrainingFileInvalid
from models.anomaly_training.adapt import AnomalyFileAdapter
from models.anomaly_training.files import is_table
from models.own_columns import find_table_check
from models.tables.schema import NO_SCHEMA, SchemaRequest
from tests.support.models.processes import process
from tests.support.models.tables import csv

HOURS = json.dumps({"sensors": {"flow": [1.0, 2.0] * 200, "heat": [3.0, 4.5] * 200}}).encode()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (HOURS, False),
        (b"\xef\xbb\xbf " + HOURS, False),
        (HOURS.decode().encode("utf-16"), False),
        (b'{"sensors": ', False),
        (b'{"flow": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", False),
        (b"", False),
        (b"flow,heat\n1,2\n", True),
        (b"PK\x03\x04", True),
        (b'{"flow": 1.0, "heat": 2}\n{"flow": 2.0, "heat": 3}\n', True),
    ],
)
def test_tables_are_told_from_hours(content: bytes, expected: bool) -> None:
    assert is_table(content) is expected
    assert (find_table_check("anomaly", content) is not None) is expected


def test_each_form_trains_its_own_detector() -> None:
    hours = AnomalyFileAdapter()(HOURS, lambda one: None)
    table = AnomalyFileAdapter()(csv(process(120)), lambda one: None)
    assert hours.artefact.startswith(b"{")
    assert not table.artefact.startswith(b"{")


@pytest.mark.parametrize(
    ("content", "adapter"),
    [
        (HOURS, AnomalyFileAdapter(schema=SchemaRequest(target="flow"))),
        (csv(process(120)), AnomalyFileAdapter(sensitivity=2.0)),
    ],
)
def test_setting_of_the_other_form_is_rejected(content: bytes, adapter: AnomalyFileAdapter) -> None:
    with pytest.raises(TrainingFileInvalid) as caught:
        adapter(content, lambda one: None)
    assert {problem.code for problem in caught.value.problems.shown} == {"unsupported_setting"}


def test_check_counts_normal_rows_and_refuses_settings_of_other_kinds() -> None:
    content = csv(process(120, fault_rows=20, label=True))
    check = find_table_check("anomaly", content)
    assert check is not None
    found = check(content, SchemaRequest(target="state", false_alarms=0.005))
    assert found.examples == 100
    assert "By 'state', 100 rows are normal and 20 are faults." in found.notes
    assert check(content, NO_SCHEMA).examples == 120
    with pytest.raises(TrainingFileInvalid):
        check(content, SchemaRequest(cap=5.0))
    other = find_table_check("series_classifier", content)
    assert other is not None
    with pytest.raises(TrainingFileInvalid, match=r"schema\.normal"):
        other(content, SchemaRequest(normal="ok"))
