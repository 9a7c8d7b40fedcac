"""Validate and price a batch before anything is reserved: every line is parsed as its call will be.

    read the file -> check each line -> parse its body -> highest cost

Problems of lines are collected, not raised: the batch is then created as failed, as at OpenAI.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from billing.metering.packs import PackQuotaRef
from gateway.batches.batches import BATCH_ID_PREFIX
from gateway.batches.errors import CompletionWindowTooShort
from gateway.batches.hold_admission import held_demand
from gateway.batches.input_file import (
    MAX_PROBLEMS,
    FileProblem,
    InputLine,
    LineChecker,
    split_lines,
    whole_file_problem,
)
from gateway.batches.requests import BATCH_ENDPOINTS, WINDOW_HOURS, BatchRequest
from gateway.batches.throughput import estimate_seconds
from gateway.call.errors import ParameterInvalid, ParameterUnsupported
from gateway.call.tags import TAGS_HEADER, parse_tags
from gateway.call.values import Call, ParsedRequest, Principal, ServiceTier
from gateway.inference.admission import Admission, parse_max_cost
from gateway.inference.decisions.planning import DecisionPlanner
from gateway.inference.decisions.stage import LINKED_IN_BATCH
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.model_selection import FALLBACK_HEADER
from gateway.inference.parsing import Parser
from gateway.inference.quota_errors import max_cost_error
from gateway.quota.demand import Demand
from gateway.registry.files import BATCH_PURPOSE, find_file, read_content
from infra import ids
from infra.clock import Clock
from infra.database.database import Database
from infra.errors import AppError

# The tag of a batch's calls, with the batch's id as its value.
BATCH_TAG = "batch"
# Lines checked between two steps of the event loop: about two milliseconds.
_LINES_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class BatchOffer:
    """A checked batch: its lines with their highest cost in all, or the problems of its file.

    `max_units` are the units of priced meters that it can use, `packs` the prepaid packs that may
    pay for them. `tags` are the X-Maas-Tags of its calls as they were sent. `estimated_s` is how
    long it is expected to take; None if the model's speed is not known.
    """

    principal: Principal
    request: BatchRequest
    endpoint: Endpoint
    lines: tuple[InputLine, ...]
    problems: tuple[FileProblem, ...]
    max_nano: int
    tags: str | None
    estimated_s: int | None
    max_units: Mapping[str, int]
    packs: tuple[PackQuotaRef, ...]


class BatchOffers:
    """Validates and prices batches in one process."""

    def __init__(
        self,
        database: Database,
        parser: Parser,
        admission: Admission,
        clock: Clock,
        max_body_bytes: int,
        planner: DecisionPlanner,
    ) -> None:
        self._planner = planner
        self._database = database
        self._parser = parser
        self._admission = admission
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        # A file takes seconds of CPU: read one at a time.
        self._semaphore = asyncio.Semaphore(1)

    async def create_offer(
        self, principal: Principal, request: BatchRequest, headers: Mapping[bytes, bytes]
    ) -> BatchOffer:
        """Check and price a batch on an uploaded file.

        `headers` are those of the request that creates it: its tags and X-Max-Cost apply to the
        batch. Raises FileNotFound, ParameterInvalid, MaxCostExceeded, CompletionWindowTooShort.
        """
        max_cost, tags = parse_max_cost(headers), headers.get(TAGS_HEADER)
        # Prices may depend on the tags (outcome contracts). The id of the batch is not known yet.
        call_headers = line_headers(tags, ids.format_id(BATCH_ID_PREFIX, ids.new_id()))
        parse_tags(call_headers)
        content = await self._read(principal, request)
        endpoint = BATCH_ENDPOINTS[request.endpoint]
        async with self._semaphore:
            lines, problems, total = await self._check(principal, endpoint, call_headers, content)
        max_nano = total.max_nano
        if not problems and max_cost is not None and max_nano > max_cost:
            raise max_cost_error(max_nano, max_cost, principal)
        estimated_s = None if problems else await self._estimate(principal, endpoint, lines)
        return BatchOffer(
            principal,
            request,
            endpoint,
            lines,
            problems,
            max_nano,
            None if tags is None else tags.decode("latin-1"),
            estimated_s,
            total.max_units,
            total.packs,
        )

    async def _read(self, principal: Principal, request: BatchRequest) -> bytes:
        """Return the input file's bytes. Raises FileNotFound, ParameterInvalid."""
        async with self._database.transaction() as session:
            file = await find_file(session, principal.account_id, request.input_file_id)
            if file.purpose != BATCH_PURPOSE:
                raise ParameterInvalid(
                    f"The file has the purpose `{file.purpose}`. Upload it with the purpose "
                    f"`{BATCH_PURPOSE}`.",
                    param="input_file_id",
                )
            return await read_content(session, principal.account_id, file.id)

    async def _check(
        self,
        principal: Principal,
        endpoint: Endpoint,
        headers: Mapping[bytes, bytes],
        content: bytes,
    ) -> tuple[tuple[InputLine, ...], tuple[FileProblem, ...], "_TotalDemand"]:
        """Return the valid lines, the first problems, and what the lines demand together."""
        checker = LineChecker(endpoint.path, self._max_body_bytes)
        lines: list[InputLine] = []
        problems: list[FileProblem] = []
        total, count = _TotalDemand(), 0
        for number, text in split_lines(content):
            count += 1
            if count % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)  # other requests are served meanwhile
            line = checker.check(number, text)
            demand = (
                line
                if isinstance(line, FileProblem)
                else self._demand(principal, endpoint, headers, line)
            )
            if isinstance(line, InputLine) and isinstance(demand, Demand):
                lines.append(line)
                total.add(demand)
            elif isinstance(demand, FileProblem) and len(problems) < MAX_PROBLEMS:
                problems.append(demand)
        whole = whole_file_problem(count)
        return tuple(lines), tuple(problems if whole is None else [whole]), total

    def _demand(
        self,
        principal: Principal,
        endpoint: Endpoint,
        headers: Mapping[bytes, bytes],
        line: InputLine,
    ) -> Demand | FileProblem:
        """Return what a line demands at most, or why it cannot be called."""
        call = Call(
            request_id=ids.new_id(),
            operation=endpoint.operation,
            path=endpoint.path,
            credentials=None,
            headers=headers,
            model_in_path=None,
            started_at=self._clock.now(),
            started_monotonic=self._clock.monotonic(),
            service_tier=ServiceTier.BATCH,
        )
        try:
            body = endpoint.internal_body(call, line.body)
            request = self._parser.parse(call, body, principal)
            unsupported = _unsupported(request, line)
            if unsupported is not None:
                return unsupported
            if request.decision is not None:
                plan = self._planner.plan(call, principal, request)
                if plan.linked:
                    code, path = ParameterUnsupported.code, "body.questions"
                    return FileProblem(code, LINKED_IN_BATCH, line.number, path)
                request = plan.request
            return held_demand(self._admission, call, principal, request)
        except AppError as error:
            param = None if error.param is None else f"body.{error.param}"
            return FileProblem(error.code or "invalid_request", error.message, line.number, param)

    async def _estimate(
        self, principal: Principal, endpoint: Endpoint, lines: tuple[InputLine, ...]
    ) -> int | None:
        """Return how long the batch will take, in seconds. Raises CompletionWindowTooShort."""
        async with self._database.transaction() as session:
            seconds = await estimate_seconds(
                session, principal.account_id, endpoint.operation, lines[0].model, len(lines)
            )
        if seconds is not None and seconds > WINDOW_HOURS * 3600:
            raise CompletionWindowTooShort(
                f"The batch would take about {seconds // 3600} h at the model's measured speed, "
                f"with the lines that wait already; the window is {WINDOW_HOURS} h. Split the file "
                "and create the next batch when this one has ended.",
                param="completion_window",
            )
        return seconds


@dataclass(slots=True)
class _TotalDemand:
    """What the lines of a batch demand together: cost in nano-units, units and their packs."""

    max_nano: int = 0
    max_units: Counter[str] = field(default_factory=Counter)
    packs: tuple[PackQuotaRef, ...] = ()

    def add(self, demand: Demand) -> None:
        """Add the demand of a line. All lines have the same model, and so the same packs."""
        self.max_nano += demand.max_cost_nano
        for meter, units in demand.max_units_by_meter.items():
            if demand.prices.get(meter, 0):
                self.max_units[meter] += units
        self.packs = tuple(one for one in demand.allowances if isinstance(one, PackQuotaRef))


def line_headers(tags: bytes | None, batch_id: str) -> dict[bytes, bytes]:
    """Return the headers with which a line is priced and sent, besides its idempotency key.

    Its tags are those of the batch, and the batch's id. No other model may stand in: the lines are
    priced for theirs.
    """
    own_tag = f"{BATCH_TAG}={batch_id}".encode()
    all_tags = own_tag if not tags else tags + b"," + own_tag
    return {FALLBACK_HEADER: b"deny", TAGS_HEADER: all_tags}


def _unsupported(request: ParsedRequest, line: InputLine) -> FileProblem | None:
    """Return why a valid request cannot be a line: its cost must be known from its body alone."""
    if request.selection is not None:
        text = "Name a model: `auto` is not available in batches."
        return FileProblem("model_not_supported", text, line.number, "body.model")
    if request.retrieval is not None:
        text = "Searches of documents (`file_search`) are not available in batches."
        return FileProblem("unsupported_parameter", text, line.number, "body.tools")
    if request.hosted_tools is not None:
        text = "Tools on the server (`specialist`, `plant_graph`) are not available in batches."
        return FileProblem("unsupported_parameter", text, line.number, "body.tools")
    return None
