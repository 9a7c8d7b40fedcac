"""Choose the points of an asset that are the inputs of a model.

stated by the client -> mapped by the account -> the same tag or name -> the same meaning (concept,
name, unit, range)
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from gateway.plant.predictions.errors import AssetInputsInvalid
from gateway.plant.predictions.values import (
    AssetRequest,
    CandidatePoint,
    ChosenInput,
    InputOrigin,
    MappedInput,
    Selection,
)
from models.ready_made.proposal import FileColumn, propose_mapping
from models.signature import InputField, Signature
from models.tag_align.naming import Lexicon

# More than for a proposal, which a person confirms: here a prediction is computed from the choice.
MIN_SIMILARITY = 0.66
NOT_MAPPED: Mapping[str, MappedInput] = MappingProxyType({})


def select_inputs(
    signature: Signature,
    points: Sequence[CandidatePoint],
    request: AssetRequest,
    lexicon: Lexicon,
    mapped: Mapping[str, MappedInput] = NOT_MAPPED,
) -> Selection:
    """Return a point or constant for each input of a model; each point is used once.

    `mapped` is what the account maps inputs of this model to, with tags of this asset.

    Raises AssetInputsInvalid for stated inputs or tags that do not exist.
    """
    chosen = _stated_inputs(signature, points, request)
    chosen |= _mapped_inputs(_open_fields(signature, chosen), _unused(points, chosen), mapped)
    chosen |= _inputs_by_name(_open_fields(signature, chosen), _unused(points, chosen))
    chosen |= _inputs_by_meaning(signature, chosen, _unused(points, chosen), lexicon)
    for field in _open_fields(signature, chosen):
        if field.optional:
            chosen[field.name] = ChosenInput(field.name, InputOrigin.OMITTED)
    ordered = tuple(chosen[field.name] for field in signature.inputs if field.name in chosen)
    missing = tuple(field.name for field in signature.inputs if field.name not in chosen)
    return Selection(ordered, missing)


def _stated_inputs(
    signature: Signature, points: Sequence[CandidatePoint], request: AssetRequest
) -> dict[str, ChosenInput]:
    """Return the inputs that the client states. Raises AssetInputsInvalid."""
    known = {field.name for field in signature.inputs}
    by_tag = {point.tag: point for point in points}
    for name in (*request.inputs, *request.values):
        if name not in known:
            listed = ", ".join(sorted(known)[:40])
            message = f"The model has no input {name[:100]!r}. It has: {listed}."
            raise AssetInputsInvalid(message, param="asset_inputs")
    for tag in request.inputs.values():
        if tag not in by_tag:
            message = f"The asset has no point with the tag {tag[:100]!r}."
            raise AssetInputsInvalid(message, param="asset_inputs")
    if both := sorted(request.inputs.keys() & request.values.keys()):
        message = f"The input {both[0][:100]!r} has a tag and a value. State one of them."
        raise AssetInputsInvalid(message, param="asset_inputs")
    constants = {
        name: ChosenInput(name, InputOrigin.CONSTANT, constant=value)
        for name, value in request.values.items()
    }
    tags = {
        name: ChosenInput(name, InputOrigin.STATED, by_tag[tag])
        for name, tag in request.inputs.items()
    }
    return constants | tags


def _mapped_inputs(
    fields: Iterable[InputField],
    points: Sequence[CandidatePoint],
    mapped: Mapping[str, MappedInput],
) -> dict[str, ChosenInput]:
    """Return the mapped inputs whose tag the asset has, or whose concept one point left only."""
    wanted = {field.name: mapped[field.name] for field in fields if field.name in mapped}
    by_tag = {point.tag: point for point in points}
    found = {
        name: ChosenInput(name, InputOrigin.MAPPED, by_tag[one.tag])
        for name, one in wanted.items()
        if one.tag in by_tag
    }
    left = _unused(points, found)
    for name, one in wanted.items():
        fitting = [point for point in left if one.concept_id and point.concept_id == one.concept_id]
        if len(fitting) == 1:
            found[name] = ChosenInput(name, InputOrigin.MAPPED, fitting[0])
    return found


def _inputs_by_name(
    fields: Iterable[InputField], points: Iterable[CandidatePoint]
) -> dict[str, ChosenInput]:
    """Return the inputs that are called as a tag or, if only one point has it, as a name.

    Models of an account's own columns have the names of the columns they were trained with, which
    are usually tags.
    """
    by_name: dict[str, list[CandidatePoint]] = {}
    for point in points:
        for name in {point.tag.casefold(), point.name.casefold()} - {""}:
            by_name.setdefault(name, []).append(point)
    found = {field.name: by_name.get(field.name.casefold(), []) for field in fields}
    return {
        name: ChosenInput(name, InputOrigin.NAME, points[0])
        for name, points in found.items()
        if len(points) == 1
    }


def _inputs_by_meaning(
    signature: Signature,
    chosen: dict[str, ChosenInput],
    points: Sequence[CandidatePoint],
    lexicon: Lexicon,
) -> dict[str, ChosenInput]:
    """Return the open inputs whose words, unit and range fit a point that is not used yet."""
    fields = tuple(_open_fields(signature, chosen))
    columns = [_column(point) for point in points]
    open_signature = Signature(fields, (), signature.version)
    proposal = propose_mapping(
        "", open_signature, columns, lexicon, with_series=True, min_similarity=MIN_SIMILARITY
    )
    by_tag = {point.tag: point for point in points}
    return {
        name: ChosenInput(name, InputOrigin.CONCEPT, by_tag[tag])
        for name, tag in proposal.columns.items()
    }


def _column(point: CandidatePoint) -> FileColumn:
    """Return a point as a column, with its name and concept as further names."""
    return FileColumn(
        name=point.tag,
        is_text=point.is_text,
        unit=point.unit or None,
        bounds=point.bounds,
        other_names=tuple(name for name in (point.name, point.concept) if name),
    )


def _open_fields(signature: Signature, chosen: dict[str, ChosenInput]) -> Iterable[InputField]:
    return (field for field in signature.inputs if field.name not in chosen)


def _unused(
    points: Sequence[CandidatePoint], chosen: dict[str, ChosenInput]
) -> list[CandidatePoint]:
    used = {one.point.id for one in chosen.values() if one.point is not None}
    return [point for point in points if point.id not in used]
