"""Sample leases and quota snapshots for tests."""

from dataclasses import replace

from billing.metering.leases import QuotaSnapshot
from billing.metering.quotas import QuotaRef
from billing.tables import QuotaKind
from gateway.call.reservation import Reservation
from gateway.quota.demand import Demand
from gateway.quota.local_leases import LocalLeases
from infra import ids
from tests.support.gateway.quotas import allowance, quota

PROCESS = ids.new_id()
CREDIT, STREAMS, TOKENS = (
    quota(QuotaKind.CREDIT),
    quota(QuotaKind.STREAMS),
    quota(QuotaKind.TOKENS),
)
OWN, SHARED = allowance("output_tokens"), allowance("output_tokens", "*")
CALL = Demand(
    input_tokens=0,
    output_tokens=100,
    min_output_tokens=10,
    streams=0,
    requests=0,
    prices={"output_tokens": 1},
    quotas=(CREDIT,),
)


def read(borrowed: int, amount: int | None = 1000, **values: int) -> QuotaSnapshot:
    counts = {"consumed": 0, "leased_elsewhere": 0, "recalls": 0, "used": 0, **values}
    return QuotaSnapshot(amount=amount, borrowed=borrowed, **counts)


def having(units: int, of: QuotaRef = CREDIT, now: float = 0.0, **values: int) -> LocalLeases:
    """LocalLeases that have borrowed this many units of one quota."""
    holdings = LocalLeases()
    demand = replace(CALL, quotas=(of,), streams=1, requests=1)
    holdings.borrow_plan([demand], now)
    holdings.begin_change([of.id])
    holdings.update({of.id: read(units, **values)})
    return holdings


def hold(holdings: LocalLeases, units: int, of: QuotaRef = CREDIT, now: float = 0.0) -> Reservation:
    made = holdings.try_reserve([(of, units)], PROCESS, now)
    assert made is not None
    return made


def idle(holdings: LocalLeases, now: float = 0.0) -> LocalLeases:
    """Run one return plan, as after a second without use."""
    holdings.return_plan(set(), True, now)
    return holdings


def including(**borrowed: int) -> LocalLeases:
    """LocalLeases that have borrowed these units: `own` and `shared` of 1000 included units each,
    and `credit` of 1000."""
    quotas = {"own": OWN, "shared": SHARED, "credit": CREDIT}
    holdings = LocalLeases()
    holdings.borrow_plan([INCLUDING], 0.0)
    holdings.begin_change([quota.id for quota in quotas.values()])
    holdings.update({of.id: read(borrowed.get(name, 0)) for name, of in quotas.items()})
    return holdings


INCLUDING = replace(CALL, allowances=(OWN, SHARED))
