"""Linked calls: internal calls that serve one client's call, such as the search of a chat.

    reserve for each -> admit the parent call -> execute them -> settle all together
    hold for each step -> admit the parent call -> admit, send and add each step -> settle

Quota for linked calls is reserved before the parent is admitted, and they are executed after that,
so a rejected call sends nothing. Their usage rows have the parent's id as `parent_id`, are written
in its commit and cost nothing if the parent costs nothing. Waived calls are made at the operator's
expense (grounding.py): they need no quota and never cost anything.

Steps of hosted tools (hosted_tools/) are any number of calls of any models. They are held before
the parent is admitted, and each takes the place of a held one. A held step may stand for several
calls, as a search with two embedding models. The parent consumes nothing itself, so steps are
billed whenever the parent may be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from billing.metering.usage import UsageRecord
from billing.metering.usage_log import IntentRecord
from billing.rating.quantities import NO_USAGE, Quantities
from billing.tables import Settlement
from gateway.call.errors import ModelServerNotFound
from gateway.call.values import AdmittedCall, Call, CallResult, ParsedRequest, Principal
from gateway.inference.admission import Admission, parse_max_cost
from gateway.inference.endpoints.embeddings import EMBEDDINGS
from gateway.inference.endpoints.endpoint import Endpoint
from gateway.inference.internal.calls import UpstreamWork, new_internal_call
from gateway.inference.quota_errors import max_cost_error
from gateway.inference.usage.pending_writes import InternalCallUsage, PendingIntent
from gateway.inference.usage.record import build_intent, build_usage_record
from gateway.quota.demand import Demand
from infra import ids
from infra.clock import Clock

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A call to hold quota for: the dearest request that it may make.

    `more_tokens` is what may be added to its prompt.
    """

    endpoint: Endpoint
    request: ParsedRequest
    more_tokens: int = 0


@dataclass(frozen=True, slots=True)
class _HeldStep:
    """A held step: of the chat's own language model (`is_text`), or of whatever it calls."""

    is_text: bool
    calls: tuple[AdmittedCall, ...]


class LinkedCalls:
    """The linked calls of one parent call: steps, checks, waived ones, one per model and path."""

    def __init__(self, parent: Call, admission: Admission, clock: Clock) -> None:
        self._parent = parent
        self._admission = admission
        self._clock = clock
        self._admitted_by_key: dict[_Key, AdmittedCall] = {}
        self._records_by_key: dict[_Key, UsageRecord] = {}
        self._waived: list[InternalCallUsage] = []
        self._held: list[_HeldStep] = []
        self._steps: list[InternalCallUsage] = []
        self._held_checks: list[AdmittedCall] = []
        self._checks: list[InternalCallUsage] = []

    @property
    def max_cost_nano(self) -> int:
        """Return the worst-case cost of all linked calls, in nano-units."""
        steps = (admitted for step in self._held for admitted in step.calls)
        admitted_calls = (*self._admitted_by_key.values(), *steps, *self._held_checks)
        held = sum(admitted.reservation.max_cost_nano for admitted in admitted_calls)
        return held + sum(check.record.cost_nano for check in self._checks)

    async def reserve(
        self,
        principal: Principal,
        requests: Iterable[ParsedRequest],
        endpoint: Endpoint = EMBEDDINGS,
    ) -> None:
        """Reserve quota for each request of the endpoint that has none yet.

        Raises the errors of admission.
        """
        for request in requests:
            if _key(request) in self._admitted_by_key:
                continue
            call = self.new_call(ids.new_id(), endpoint)
            admitted = await self._admission.admit_internal(call, principal, request)
            self._admitted_by_key[_key(request)] = admitted

    async def hold(
        self, principal: Principal, calls: Sequence[HeldCall], is_text: bool = False
    ) -> None:
        """Hold quota for the calls of one step, before its requests are known in detail.

        Raises the errors of admission; nothing of the step is held then.
        """
        held: list[AdmittedCall] = []
        try:
            for one in calls:
                call = self.new_call(ids.new_id(), one.endpoint)
                held.append(
                    await self._admission.admit_internal(
                        call, principal, one.request, one.more_tokens
                    )
                )
        except BaseException:
            for admitted in held:
                self._admission.release(admitted)
            raise
        self._held.append(_HeldStep(is_text, tuple(held)))

    def highest_cost(self, principal: Principal, calls: Sequence[HeldCall]) -> int:
        """Return what a step with these calls costs at most, in nano-units; holds nothing."""
        return sum(self.demand_of(principal, one).max_cost_nano for one in calls)

    def demand_of(self, principal: Principal, held: HeldCall) -> Demand:
        """Return what a call consumes at most; holds nothing."""
        call = self.new_call(ids.new_id(), held.endpoint)
        demand = self._admission.compute_demand(call, principal, held.request)
        return replace(demand, input_tokens=demand.input_tokens + held.more_tokens)

    def held_count(self, is_text: bool | None = None) -> int:
        """Return how many steps are held: of the language model, of what it calls, or all."""
        return sum(is_text in (None, one.is_text) for one in self._held)

    def release_held(self, count: int) -> None:
        """Release held steps, the last ones first, until `count` are left."""
        while len(self._held) > count:
            self._release(self._held.pop())

    def release_step(self, is_text: bool) -> None:
        """Release one held step of this kind, in whose place calls are admitted at once."""
        kinds = [one.is_text for one in self._held]
        if is_text in kinds:
            self._release(self._held.pop(kinds.index(is_text)))

    def _release(self, step: _HeldStep) -> None:
        """Release the quota of a held step."""
        for admitted in step.calls:
            self._admission.release(admitted)

    async def admit_step(
        self, call: Call, principal: Principal, request: ParsedRequest, is_text: bool
    ) -> AdmittedCall:
        """Admit a step in the place of a held one of its kind, text or not.

        Raises the errors of admission.
        """
        self.release_step(is_text)
        return await self.admit_more(call, principal, request)

    def add_step(
        self, call: Call, admitted: AdmittedCall, result: CallResult, intent: PendingIntent
    ) -> UsageRecord:
        """Add the usage row of a step, however it ended; returns it as it is if the parent is."""
        record = self._record(call, admitted, result)
        self._steps.append(InternalCallUsage(record, admitted.reservation, intent))
        return record

    async def hold_check(
        self, principal: Principal, endpoint: Endpoint, request: ParsedRequest
    ) -> None:
        """Hold quota for one check of the parent's texts; X-Max-Cost limits the sum of all.

        Raises MaxCostExceeded and the errors of admission.
        """
        call = self.new_call(ids.new_id(), endpoint)
        self._held_checks.append(await self._admission.admit_internal(call, principal, request))
        max_cost = parse_max_cost(self._parent.headers)
        if max_cost is not None and self.max_cost_nano > max_cost:
            raise max_cost_error(self.max_cost_nano, max_cost, principal)

    async def admit_check(
        self, call: Call, principal: Principal, request: ParsedRequest
    ) -> AdmittedCall:
        """Admit a check in the place of a held one of its model. Raises the errors of admission."""
        models = [one.request.model.id for one in self._held_checks]
        if request.model.id in models:
            self._admission.release(self._held_checks.pop(models.index(request.model.id)))
        return await self.admit_more(call, principal, request)

    def add_check(
        self, call: Call, admitted: AdmittedCall, result: CallResult, intent: PendingIntent
    ) -> None:
        """Add the usage row of a check, which is billed also if it refuses the parent."""
        record = self._record(call, admitted, result)
        self._checks.append(InternalCallUsage(record, admitted.reservation, intent))

    def build_intent(self, call: Call, admitted: AdmittedCall) -> IntentRecord:
        """Return the write-ahead row of a linked call."""
        return replace(build_intent(call, admitted), parent_id=self._parent.request_id)

    def new_call(self, request_id: UUID, endpoint: Endpoint) -> Call:
        """Create a call that starts now and has no credentials."""
        return new_internal_call(self._clock, request_id, endpoint)

    async def execute(
        self, call: Call, principal: Principal, request: ParsedRequest, work: UpstreamWork
    ) -> None:
        """Run `work` for the linked call `call`; `settle` returns its usage row.

        Raises the errors of `work`, and ModelServerNotFound if the model was not served when the
        calls were reserved.
        """
        reserved = self._admitted_by_key.get(_key(request))
        if reserved is None:
            raise ModelServerNotFound(
                f"The model {request.model.id!r} is not available at the moment."
            )
        admitted = replace(reserved, request=request)
        result = await work(admitted)
        self._records_by_key[_key(request)] = self._record(call, admitted, result)

    def add_waived(
        self, call: Call, admitted: AdmittedCall, result: CallResult, intent: PendingIntent
    ) -> None:
        """Add the usage row of a call that the operator pays for, however it ended.

        Also a call whose client left is waived: as a client abort, it would be billed.
        """
        if result.settlement.billable:
            result = replace(result, settlement=Settlement.WAIVED)
        record = self._record(call, admitted, result)
        self._waived.append(InternalCallUsage(record, admitted.reservation, intent))

    async def admit_more(
        self, call: Call, principal: Principal, request: ParsedRequest
    ) -> AdmittedCall:
        """Admit a call whose quota was just released, without a pause in which others take it.

        Raises the errors of admission.
        """
        admitted = self._admission.try_admit_internal(call, principal, request)
        return admitted or await self._admission.admit_internal(call, principal, request)

    def _record(self, call: Call, admitted: AdmittedCall, result: CallResult) -> UsageRecord:
        """Return the usage row of a linked call."""
        principal, request = admitted.principal, admitted.request
        record = build_usage_record(call, principal, request, admitted, result, self._clock)
        return replace(record, parent_id=self._parent.request_id)

    def executed_quantities(self) -> list[Quantities]:
        """Return what each executed call consumed."""
        return [record.quantities for record in self._records_by_key.values()]

    def settle(self, parent: UsageRecord) -> tuple[InternalCallUsage, ...]:
        """Return the linked calls' usage rows, to write with the parent's; empty if called again.

        Releases the reservations of calls that were not executed.
        """
        admitted_calls, self._admitted_by_key = self._admitted_by_key, {}
        waived, self._waived = self._waived, []
        steps, self._steps = self._steps, []
        self.release_held(0)
        checks, self._checks = self._checks, []
        held_checks, self._held_checks = self._held_checks, []
        for held in held_checks:
            self._admission.release(held)
        for step in steps:
            if not parent.settlement.billable:
                step.record = _unbilled_like(step.record, parent)
        for key, admitted in admitted_calls.items():
            if key not in self._records_by_key:
                self._admission.release(admitted)
        executed = (
            InternalCallUsage(
                _with_parent_settlement(record, parent), admitted_calls[key].reservation
            )
            for key, record in self._records_by_key.items()
            if key in admitted_calls
        )
        return (*executed, *steps, *checks, *waived)


def distinct(requests: Iterable[ParsedRequest]) -> tuple[ParsedRequest, ...]:
    """Return the requests that are reserved as linked calls: the first of each model and path."""
    found: dict[_Key, ParsedRequest] = {}
    for request in requests:
        found.setdefault(_key(request), request)
    return tuple(found.values())


def _key(request: ParsedRequest) -> _Key:
    """Return what tells a linked call from the others: model, and path with the model's version."""
    return request.model.id, request.path


def _with_parent_settlement(record: UsageRecord, parent: UsageRecord) -> UsageRecord:
    """Return the linked call's row, not billed unless its parent is billable and has usage."""
    if parent.settlement.billable and parent.quantities != NO_USAGE:
        return record
    unbilled = _unbilled_like(record, parent)
    return replace(unbilled, quantities=NO_USAGE) if parent.settlement.billable else unbilled


def _unbilled_like(record: UsageRecord, parent: UsageRecord) -> UsageRecord:
    """Return a linked call's row with the settlement of its parent, at no cost."""
    return replace(
        record,
        settlement=parent.settlement,
        status=parent.status,
        error_code=parent.error_code,
        cost_nano=0,
        covered=None,
    )
