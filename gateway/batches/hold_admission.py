"""Admit the lines of a batch: each draws its highest cost on the hold of the batch.

A line has no limits of requests, tokens and streams, and included units do not cover it: its price
is that of the batch tier (docs/decisions/0055). Prepaid packs that the hold reserved pay first.
"""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from billing.metering.holds import HeldUnits, money_quotas
from billing.metering.packs import PackQuotaRef
from billing.tables import QuotaKind
from gateway.batches.errors import BatchHoldExhausted
from gateway.call.errors import MeteringUnavailable
from gateway.call.reservation import Lease, reserve_all
from gateway.call.values import AdmittedCall, Call, ParsedRequest, Principal
from gateway.inference.admission import Admission, model_prices_of
from gateway.quota.demand import Demand
from gateway.quota.process_heartbeat import ProcessHeartbeat
from infra.clock import Clock


class HoldAdmission:
    """Pays the calls of one batch from its hold, in the process that runs the batch.

    Only one process runs a batch, so what the process has granted is known here; what was consumed
    is charged to the hold with the usage rows, and read again for the next turn.
    """

    def __init__(
        self, admission: Admission, heartbeat: ProcessHeartbeat, clock: Clock, hold_id: UUID
    ) -> None:
        self._admission = admission
        self._heartbeat = heartbeat
        self._clock = clock
        self._hold_id = hold_id
        self._leases: dict[str, Lease] = {}

    def load(self, held: Mapping[str, HeldUnits]) -> None:
        """Take over the hold's units, by quota id, as they are before a turn."""
        self._leases = {}
        for quota_id, units in held.items():
            lease = Lease(QuotaKind.CREDIT if units.is_money else QuotaKind.ALLOWANCE)
            lease.borrowed, lease.used = units.borrowed, units.used
            self._leases[quota_id] = lease

    def admit(self, call: Call, principal: Principal, request: ParsedRequest) -> AdmittedCall:
        """Reserve the highest cost of a line.

        Raises BatchHoldExhausted, MeteringUnavailable and the errors of
        `Admission.compute_demand`.
        """
        demand = held_demand(self._admission, call, principal, request)
        if not self._heartbeat.is_alive or any(
            quota.id not in self._leases for quota in demand.quotas
        ):
            # The key's budget is that of a new month: the next turn moves the hold there.
            raise MeteringUnavailable("The hold of the batch is being renewed.")
        now = self._clock.monotonic()
        available = {quota_id: lease.available(now) for quota_id, lease in self._leases.items()}
        covered = demand.with_allowances(available)
        reservation = reserve_all(
            [(self._leases[quota.id], (quota, units)) for quota, units in covered.quota_units],
            self._heartbeat.process_id,
            now,
            self._hold_id,
        )
        if reservation is None:
            raise BatchHoldExhausted(
                "What is left of the batch's reserved cost does not cover the line: prices have "
                "risen, or a prepaid pack has ended, since the batch was created. Send the line "
                "in another batch."
            )
        return AdmittedCall(principal, request, model_prices_of(principal, request), reservation)


def held_demand(
    admission: Admission, call: Call, principal: Principal, request: ParsedRequest
) -> Demand:
    """Return what a line demands: units of packs, and money. Raises those of `compute_demand`."""
    demand = admission.compute_demand(call, principal, request)
    packs = [quota for quota in demand.allowances if isinstance(quota, PackQuotaRef)]
    return replace(demand, quotas=money_quotas(principal.quotas), allowances=packs)


def usable_pack_ids(principal: Principal) -> set[str]:
    """Return the ids of the packs that calls of a principal may use now."""
    books = [principal.model_prices, *principal.outcome_contract_prices.values()]
    return {
        quota.id
        for prices in books
        for model_prices in prices.values()
        for quota in model_prices.allowances
        if isinstance(quota, PackQuotaRef)
    }
