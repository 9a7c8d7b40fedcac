"""One request to a specialist, and many together: from a body to columns, from answers to a body.

Owns checking a request as a whole before it waits, and running those that waited together.
"""

from collections import defaultdict
from collections.abc import Sequence

from models.signature import Columns
from serving.specialists.fitted import Unfitted
from serving.specialists.open_inference import (
    InferRequest,
    Rendered,
    parse_request,
    render_response,
)
from serving.specialists.specialist import (
    Specialist,
    columns_of,
    join,
    outputs_of,
    require_outputs,
    split,
)

Asked = tuple[Specialist, Columns, int]
"""A model, the checked columns and how many rows they have."""

Widths = tuple[tuple[int, ...], ...]


def understand(
    model: Specialist, body: bytes, header_length: int | None
) -> tuple[InferRequest, Columns]:
    """The request and its columns, which the model can take. Raises InputInvalid."""
    if isinstance(model, Unfitted):
        raise model.refusal
    asked = parse_request(body, header_length)
    columns = columns_of(asked, model.signature)
    model.check(columns)
    require_outputs(asked, model.signature)
    return asked, columns


def run_all(asked: Sequence[Asked]) -> list[Columns]:
    """Run each model once for all requests that want it; answers in the requests' order.

    Series of one length only lie below each other, so each length is a run of its own.
    """
    groups: dict[tuple[int, Widths], list[int]] = defaultdict(list)
    for index, (model, columns, _) in enumerate(asked):
        groups[id(model), _widths(columns)].append(index)
    answers: dict[int, Columns] = {}
    for indices in groups.values():
        results = asked[indices[0]][0].run(join([asked[index][1] for index in indices]))
        parts = split(results, [asked[index][2] for index in indices])
        answers.update(zip(indices, parts, strict=True))
    return [answers[index] for index in range(len(asked))]


def render(model: Specialist, asked: InferRequest, results: Columns) -> Rendered:
    """The answer's bytes."""
    outputs = outputs_of(asked, model.signature, results)
    return render_response(model.name, model.signature.version, asked, outputs)


def _widths(columns: Columns) -> Widths:
    return tuple(column.shape[1:] for column in columns.values())
