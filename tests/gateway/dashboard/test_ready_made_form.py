"""Fields of the training form that name a ready-made model."""

from gateway.dashboard.pages.own_models.ready_made_form import ready_made_rows
from gateway.dashboard.pages.own_models.schema_form import schema_from_fields

PROPOSALS = [
    {"model": "plates", "columns": {"area": "Area"}, "missing": []},
    {"model": "cutting", "columns": {"torque": "扭矩"}, "missing": ["type"]},
]
FORM = {
    "column0": "扭矩",
    "role0": "input",
    "ready_made": "cutting",
    "ready0": "plates",
    "ready0_input0": "area",
    "ready0_column0": "Area",
    "ready1": "cutting",
    "ready1_input0": "torque",
    "ready1_column0": "扭矩",
    "ready1_input1": "type",
    "ready1_column1": "",
    "ready_output": " failure ",
    "ready_labels": "1=坏，0 = 好",
}


def test_chosen_model_and_its_columns_become_a_part_of_the_schema() -> None:
    schema = schema_from_fields(FORM)
    assert schema is not None
    assert schema["ready_made"] == {
        "model": "cutting",
        "columns": {"torque": "扭矩"},
        "output": "failure",
        "labels": {"1": "坏", "0": "好"},
    }


def test_form_without_a_choice_compares_with_nothing() -> None:
    for choice in ("", "no-such"):
        schema = schema_from_fields({**FORM, "ready_made": choice})
        assert schema is not None
        assert "ready_made" not in schema


def test_rows_show_what_was_chosen_before_what_is_proposed() -> None:
    plates, cutting = ready_made_rows(PROPOSALS, {"ready1_column1": "Typ"})
    assert plates == {"model": "plates", "inputs": [("area", "Area")]}
    assert cutting["inputs"] == [("torque", "扭矩"), ("type", "Typ")]
