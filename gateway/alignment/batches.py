"""Ask a model about a batch of points, and turn its answer into proposals.

points -> one billed call of `/v1/tags/align`, ranked -> concept, unit and asset of each point
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import msgspec

from billing.metering.usage import REQUEST_ID_PREFIX
from gateway.call.errors import UpstreamFailed
from gateway.call.tags import TAGS_HEADER
from gateway.call.values import SignedInCaller
from gateway.evaluations.answers import find_call_usage, find_first_request
from gateway.inference.endpoints.plant_tags import TAG_ALIGNMENT
from gateway.inference.pipeline_client import PipelineClient, PipelineResponse
from gateway.plant.alignment.assets import AssetNames, propose_asset
from gateway.plant.alignment.concepts import concept_of
from gateway.plant.alignment.probability import ProbabilityCurve, fit_curve
from gateway.plant.alignment.units import propose_unit
from gateway.plant.assets.values import DataType
from gateway.plant.store.proposals import Proposal
from gateway.tables import PlantPoint
from infra import ids
from infra.database.database import Database
from infra.errors import AppError
from models.tag_align.naming import TagInvalid, validate_tag
from models.tag_align.parsing.name import read_name

# Points of one call. More make other calls for tags wait for longer.
BATCH_SIZE = 2_048
_HEADERS = {TAGS_HEADER: b"source=plant"}
_MAX_BOUND = 1e30
_MAX_ASSET_TEXT = 200


class TaggedPoint(Protocol):
    """What a model is asked about: the tag of a point and its range of values."""

    @property
    def tag(self) -> str:
        """The tag."""
        ...

    @property
    def low(self) -> float | None:
        """The lowest value; None if it is not known."""
        ...

    @property
    def high(self) -> float | None:
        """The highest value; None if it is not known."""
        ...


class AlignmentCallFailed(AppError):
    """A call for proposals that was refused or failed; `code` and message are those of the call."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s


@dataclass(frozen=True, slots=True)
class Facts:
    """What proposals are made from beside the model's answer."""

    curve: ProbabilityCurve = field(default_factory=lambda: fit_curve(()))
    units: Mapping[str, Counter[str]] = field(default_factory=dict)
    assets: AssetNames = field(default_factory=AssetNames)


@dataclass(frozen=True, slots=True)
class AnsweredBatch:
    """The entries of a call in the order of the points, and its cost in nano-units."""

    entries: Sequence[Mapping[str, Any]]
    cost_nano: int


class AlignmentCalls:
    """Sends batches of points through the pipeline, billed to a key."""

    def __init__(self, client: PipelineClient, database: Database) -> None:
        self._client = client
        self._database = database

    async def ask(
        self, caller: SignedInCaller, model: str, points: Sequence[TaggedPoint], turn: str
    ) -> AnsweredBatch:
        """Ask a model about points whose tags are valid; `turn` names what the batch is for.

        The same batch for the same turn is billed once, also after a crash. Raises
        AlignmentCallFailed.
        """
        tags = [point.tag for point in points]
        ranges = [_range_of(point) for point in points]
        body = msgspec.json.encode({"model": model, "tags": tags, "ranges": ranges, "ranked": True})
        key = f"align-{hashlib.sha256(turn.encode() + body).hexdigest()}"
        headers = {**_HEADERS, b"idempotency-key": key.encode()}
        response = await self._client.post(TAG_ALIGNMENT, caller, headers, body)
        if response.status != 200:
            raise _error_of(response)
        entries = msgspec.json.decode(response.body)["data"]
        if len(entries) != len(points):
            raise UpstreamFailed("The model's answer does not fit the request.")
        return AnsweredBatch(entries, await self._cost(caller.account_id, key, response))

    async def _cost(self, account_id: UUID, key: str, response: PipelineResponse) -> int:
        """Return what a call has cost; of a replayed answer, what the first call has cost."""
        request_id = ids.parse_id(REQUEST_ID_PREFIX, response.headers.get("x-request-id", ""))
        async with self._database.transaction() as session:
            if "idempotent-replayed" in response.headers:
                first = await find_first_request(session, account_id, key)
                request_id = first or request_id
            if request_id is None:
                return 0
            usage = await find_call_usage(session, account_id, request_id)
        return 0 if usage is None else usage.cost_nano


def is_alignable(point: TaggedPoint) -> bool:
    """Whether a model accepts the tag of a point."""
    try:
        validate_tag(point.tag)
    except TagInvalid:
        return False
    return True


def make_proposals(
    points: Sequence[PlantPoint], entries: Sequence[Mapping[str, Any]], facts: Facts
) -> list[Proposal]:
    """Return the proposals of a call's entries, which are in the order of the points."""
    return [_proposal(point, entry, facts) for point, entry in zip(points, entries, strict=True)]


def empty_proposal(point: PlantPoint) -> Proposal:
    """Return the proposal of a point whose tag no model accepts: nothing."""
    return Proposal(point.id, None, 0.0, 0.0, 0)


def _proposal(point: PlantPoint, entry: Mapping[str, Any], facts: Facts) -> Proposal:
    """Return what is proposed for a point; unit and asset only if it has none."""
    concept = concept_of(entry["concept"]) if entry["concept"] else None
    score = min(1.0, max(0.0, float(entry["score"]))) if concept else 0.0
    unit = asset = None
    if not point.unit and point.data_type == DataType.NUMBER.value:
        peers = facts.units.get(concept.id, Counter()) if concept else Counter()
        unit = propose_unit(entry["unit"], entry["unit_basis"], peers)
    if point.asset_id is None:
        equipment = (entry["equipment"] or "")[:_MAX_ASSET_TEXT]
        asset = propose_asset(point.tag, equipment, facts.assets)
    return Proposal(
        point.id,
        concept,
        score,
        facts.curve.at(score),
        pattern_hash(point.tag),
        entry["rank"],
        unit,
        asset,
    )


def pattern_hash(tag: str) -> int:
    """Return a hash of 64 bits with a sign of a tag's pattern; tags differ in numbers only."""
    pattern = "\x1f".join(read_name(tag).pattern).encode("utf-8", "replace")
    digest = hashlib.blake2b(pattern, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _range_of(point: TaggedPoint) -> tuple[float, float] | None:
    """Return the range of a point's values; None if it is not known or too wide for a model."""
    low, high = point.low, point.high
    if low is None or high is None or not low < high:
        return None
    is_usable = all(math.isfinite(one) and abs(one) < _MAX_BOUND for one in (low, high))
    return (low, high) if is_usable else None


def _error_of(response: PipelineResponse) -> AlignmentCallFailed:
    """Return the error of a response."""
    error = msgspec.json.decode(response.body)["error"]
    retry_after = response.headers.get("retry-after", "")
    seconds = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0
    code = str(error.get("code") or error.get("type") or "internal_error")
    return AlignmentCallFailed(response.status, code, str(error["message"]), seconds)
