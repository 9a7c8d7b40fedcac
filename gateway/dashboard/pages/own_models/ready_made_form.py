"""The part of the training form that names a ready-made model to compare with."""

from collections.abc import Mapping, Sequence
from typing import Any

CHOICE, OUTPUT, LABELS = "ready_made", "ready_output", "ready_labels"


def ready_made_from_fields(fields: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the ready-made model that a form's fields state, or None if none is chosen.

    The fields of the model at position 0 are `ready0`, its name, and `ready0_input0`,
    `ready0_column0`, and so on. An input without a column is left out, so that it is reported.
    """
    model = fields.get(CHOICE, "")
    position = next((one for one in _positions(fields) if fields[f"ready{one}"] == model), None)
    if not model or position is None:
        return None
    prefix = f"ready{position}_"
    columns: dict[str, str] = {}
    number = 0
    while (name := fields.get(f"{prefix}input{number}")) is not None:
        column = fields.get(f"{prefix}column{number}", "")
        if column:
            columns[name] = column
        number += 1
    output = fields.get(OUTPUT, "").strip()
    labels = _labels(fields.get(LABELS, ""))
    stated = {"columns": columns, "output": output, "labels": labels}
    return {"model": model, **{name: value for name, value in stated.items() if value}}


def ready_made_rows(
    proposals: Sequence[Mapping[str, Any]], fields: Mapping[str, str]
) -> Sequence[Mapping[str, Any]]:
    """Return the proposed models with the column of each input: the form's, else the proposed."""
    return [
        {
            "model": one["model"],
            "inputs": [
                (name, fields.get(f"ready{position}_column{number}", one["columns"].get(name, "")))
                for number, name in enumerate((*one["columns"], *one["missing"]))
            ],
        }
        for position, one in enumerate(proposals)
    ]


def _positions(fields: Mapping[str, str]) -> Sequence[int]:
    """Return the positions of the models in the form."""
    positions: list[int] = []
    while f"ready{len(positions)}" in fields:
        positions.append(len(positions))
    return positions


def _labels(text: str) -> dict[str, str]:
    """Return pairs such as `1=bad, 0=good`; a part that is no pair maps to nothing, and fails."""
    pairs = (part.partition("=") for part in text.replace("，", ",").split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
