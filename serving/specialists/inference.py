"""Inference requests of specialists: parse and validate, run as a batch, render the response."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from models.forecasting.variant import ForecastVariant
from models.signature import Columns
from serving.specialists.decisions import add_decisions, decided_signature, find_decider
from serving.specialists.fitted import TableSpecialist, UnfittedSpecialist
from serving.specialists.open_inference import (
    InferRequest,
    RenderedResponse,
    parse_request,
    render_response,
)
from serving.specialists.specialist import (
    Specialist,
    concatenate_rows,
    parse_columns,
    require_outputs,
    select_outputs,
    split_rows,
)
from serving.specialists.tag_alignment import TagAlignmentSpecialist

QueuedRequest = tuple[Specialist, Columns, int]
"""A model, its validated input columns and their number of rows."""

RowShapes = tuple[tuple[int, ...], ...]
"""The shape of one row in each column; () for a single value."""


def parse_inference(
    model: Specialist, body: bytes, header_length: int | None
) -> tuple[InferRequest, Columns]:
    """Parse an inference body into the request and its columns, validated for the model.

    `header_length` is the length of the JSON part before binary tensors. Raises InputInvalid.
    """
    if isinstance(model, UnfittedSpecialist):
        raise model.not_fitted_error
    request = parse_request(body, header_length)
    columns = _prepare(model, parse_columns(request, model.signature))
    model.check(columns)
    require_outputs(request, decided_signature(model.signature, find_decider(model, request)))
    return request, columns


def run_batch(requests: Sequence[QueuedRequest]) -> list[Columns]:
    """Run each model once for all its requests; return the outputs in the requests' order.

    Only series of equal length can be concatenated, so each length of inputs and of outputs is a
    run of its own. So is each request of tag alignment, whose rows share a limit.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, (model, columns, _) in enumerate(requests):
        alone = index if isinstance(model, TagAlignmentSpecialist) else None
        groups[id(model), alone, _row_shapes(columns), _output_length(model, columns)].append(index)
    outputs: dict[int, Columns] = {}
    for indices in groups.values():
        model = requests[indices[0]][0]
        results = model.run(concatenate_rows([requests[index][1] for index in indices]))
        parts = split_rows(results, [requests[index][2] for index in indices])
        outputs.update(zip(indices, parts, strict=True))
    return [outputs[index] for index in range(len(requests))]


def render_inference(
    model: Specialist, request: InferRequest, results: Columns
) -> RenderedResponse:
    """Render the inference response with the outputs that the request selected."""
    decider = find_decider(model, request)
    signature = decided_signature(model.signature, decider)
    outputs = select_outputs(request, signature, add_decisions(results, decider))
    return render_response(model.name, model.signature.version, request, outputs)


def _prepare(model: Specialist, columns: Columns) -> Columns:
    """Return columns as the steps after it take them: a history is read once."""
    forecaster = _find_forecaster(model)
    return columns if forecaster is None else forecaster.with_history(columns)


def _output_length(model: Specialist, columns: Columns) -> int | None:
    """Return the length of the output series that a request chooses, None if it chooses none."""
    forecaster = _find_forecaster(model)
    return None if forecaster is None else forecaster.horizon_of(columns)


def _find_forecaster(model: Specialist) -> ForecastVariant | None:
    """Return the forecaster of a model, None if it is another kind of model."""
    if isinstance(model, TableSpecialist) and isinstance(model.variant, ForecastVariant):
        return model.variant
    return None


def _row_shapes(columns: Columns) -> RowShapes:
    """Return the shape of one row in each column."""
    return tuple(column.shape[1:] for column in columns.values())
