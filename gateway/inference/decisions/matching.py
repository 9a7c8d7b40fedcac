"""Match a question with a specialist's outputs and columns. Pure; no model is called."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.call.decisions import AskedQuestion, Readings, SpecialistReference
from models.catalog import Model
from models.decision_calibration.outputs import (
    NotAnswerable,
    Output,
    OutputForm,
    outputs_of,
)
from models.decision_calibration.plain_statements import asks_for, mentions
from models.decision_calibration.questions import QuestionKind

_MAX_LISTED = 12


@dataclass(frozen=True, slots=True)
class Match:
    """A specialist and the output that answers a question."""

    model: Model
    output: str


def find_match(asked: AskedQuestion, models: Iterable[Model]) -> Match | None:
    """Return the first specialist of which a question plainly asks for an output."""
    for model in models:
        for output in outputs_of(model):
            if _answers(asked, output):
                return Match(model, output.name)
    return None


def choose_output(model: Model, reference: SpecialistReference) -> Output:
    """Return the output that a question names, or the only one. Raises NotAnswerable."""
    outputs = outputs_of(model)
    if not outputs:
        raise NotAnswerable(
            "no_probability", f"The model {model.id!r} predicts neither probabilities nor a number."
        )
    names = ", ".join(f"`{one.name}`" for one in outputs)
    if reference.output is None and len(outputs) > 1:
        raise NotAnswerable("output_missing", f"Name the output in `output`: {names}.")
    found = next((one for one in outputs if reference.output in (None, one.name)), None)
    if found is None:
        raise NotAnswerable("output_unknown", f"The model's outputs are {names}.")
    return found


def choose_readings(model: Model, asked: AskedQuestion) -> Readings:
    """Return the JSON object with the model's columns. Raises NotAnswerable naming those missing.

    Customers' own models check the columns themselves: they get the first object.
    """
    if not asked.readings:
        raise NotAnswerable(
            "inputs_missing", f"The model {model.id!r} needs its readings in an `input_json` part."
        )
    route = model.route
    if route is None or not route.inputs:
        return asked.readings[0]
    fitting = next((one for one in asked.readings if route.accepts(frozenset(one))), None)
    if fitting is not None:
        return fitting
    nearest = min(asked.readings, key=lambda one: len(route.inputs ^ one.keys()))
    missing = sorted(route.inputs - nearest.keys())
    surplus = sorted(nearest.keys() - route.inputs - route.optional)
    raise NotAnswerable(
        "inputs_missing" if missing else "inputs_unknown",
        f"The model {model.id!r} lacks {_listed(missing)}."
        if missing
        else f"The model {model.id!r} has no inputs {_listed(surplus)}.",
    )


def _answers(asked: AskedQuestion, output: Output) -> bool:
    """Return whether a question that names no specialist plainly asks for this output."""
    text, kind = asked.typed.instructions, asked.typed.kind
    if kind is QuestionKind.PREDICATE:
        return output.form is OutputForm.EVENT and asks_for(output, text)
    if kind is QuestionKind.SCORE:
        has_minimums = all(minimum is not None for minimum in asked.minimums[1:])
        return output.form is OutputForm.NUMBER and has_minimums and asks_for(output, text)
    if output.form is OutputForm.EVENT:
        return {type(value) for value in asked.values} == {bool} and asks_for(output, text)
    names = {str(value).lower().replace(" ", "_") for value in asked.values}
    is_known = output.form is OutputForm.CLASSES and names <= set(output.classes)
    return is_known and mentions(output, text)


def _listed(names: list[str]) -> str:
    """Return column names for a message."""
    shown = ", ".join(f"`{name[:60]}`" for name in names[:_MAX_LISTED])
    return shown + (" and more" if len(names) > _MAX_LISTED else "")
