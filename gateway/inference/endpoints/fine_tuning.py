"""`POST /v1/fine_tuning/jobs`: metered like a call; gateway/fine_tuning/ runs the jobs."""

from gateway.call.values import Call, Operation, ParsedRequest, Principal, ResolvedModel
from gateway.inference.endpoints.endpoint import DecodedRequest, Endpoint
from gateway.wire import fine_tuning
from models.catalog import SPECIALIST_TASKS, Task


def _decode(call: Call, body: bytes, principal: Principal) -> DecodedRequest:
    """Validate the request to create a fine-tuning job."""
    return DecodedRequest(fine_tuning.parse_job_request(body).model, _build_request_with_empty_file)


def _build_request_with_empty_file(resolved: ResolvedModel) -> ParsedRequest:
    """Build a job's upstream request with an empty training file, which suffices to price it."""
    return fine_tuning.build_fine_tuning_request(resolved.model, b"")


FINE_TUNING = Endpoint(
    operation=Operation.ADAPTATION,
    path="/v1/fine_tuning/jobs",
    label="Fine-tuning",
    tasks=SPECIALIST_TASKS | {Task.TEXT_GENERATION},
    decode=_decode,
    quote_field="training_file",
    is_job=True,
)
