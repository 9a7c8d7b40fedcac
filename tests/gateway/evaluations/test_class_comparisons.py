"""Comparisons of classes: results are read as in a training."""

import numpy as np
import pytest
from msgspec import structs

from gateway.call.errors import ParameterInvalid
from gateway.evaluations.comparisons.labelled_table import (
    build_labelled_instances,
    classes_of,
    read_labelled_table,
)
from gateway.evaluations.comparisons.scoring import ComparisonReport, Contender, compare_classes
from gateway.wire.own_models.comparisons import ComparisonRequest
from models.tables.instances import ModelInput

REQUEST = ComparisonRequest(models=["a", "b"], file="file_1", target="grade")


def compare(results: list[str], *predicted: list[str]) -> ComparisonReport:
    """Compare models by their predicted classes on a table with these results."""
    lines = [f"{row};{result}" for row, result in enumerate(results)]
    labelled = read_labelled_table("\n".join(["load;grade", *lines]).encode(), REQUEST)
    contenders = [
        Contender("model", [{"class": one} for one in classes], "class", {})
        for classes in predicted
    ]
    clusters = np.arange(len(results))
    return compare_classes(labelled.results, classes_of(labelled), contenders, clusters)


def scores(report: ComparisonReport) -> list[float]:
    return [one.score.value for one in report.contenders]


@pytest.mark.parametrize(
    ("results", "classes"),
    [
        (["01", "02"], ["1", "2"]),
        (["1,0", "2,5"], ["1", "2.5"]),
        (["ok", "faulty"], ["ok", "faulty"]),
    ],
    ids=["codes", "decimal commas", "texts"],
)
def test_results_are_the_classes_of_a_training_without_stated_types(
    results: list[str], classes: list[str]
) -> None:
    assert scores(compare(results * 10, classes * 10, classes[:1] * 20)) == [
        1.0,
        pytest.approx(1 / 3),
    ]


def test_codes_of_models_trained_on_them_as_a_category_are_those_of_the_table() -> None:
    found = compare(["01", "02"] * 10, ["01", "02"] * 10, ["1", "2"] * 10, ["02", "01"] * 10)
    assert scores(found) == [1.0, 1.0, 0.0]


def test_codes_that_differ_in_zeros_only_are_told_apart() -> None:
    found = compare(["01", "1"] * 10, ["01", "1"] * 10, ["1", "1"] * 10)
    assert scores(found) == [1.0, pytest.approx(1 / 3)]


def test_rows_whose_class_is_missing_do_not_count() -> None:
    found = compare(["ok", "NA", "faulty"] * 10, ["ok", "ok", "faulty"] * 10)
    assert scores(found) == [1.0]
    with pytest.raises(ParameterInvalid, match="Too few rows have known results"):
        compare(["NA"] * 20, ["1"] * 20)


def test_unused_header_that_is_nearly_an_input_is_noted_but_not_that_of_the_results() -> None:
    lines = [f"{row};1;{row % 2}" for row in range(20)]
    content = "\n".join(["load;temprature;grade", *lines]).encode()
    labelled = read_labelled_table(content, structs.replace(REQUEST))
    names = ("load", "temperature", "grades")
    inputs = [ModelInput(name, is_optional=True) for name in names]
    assert build_labelled_instances(labelled, inputs, {}).notes == (
        "The table has no column 'temperature', and its column 'temprature' is not used: if they "
        "are the same, rename it.",
    )
