"""Holdings to try, and what is read of their quotas."""

from dataclasses import replace

from billing.metering.leases import Standing
from billing.metering.quotas import QuotaRef
from billing.tables import QuotaKind
from gateway.call.reservation import Hold
from gateway.quota.demand import Demand
from gateway.quota.local_leases import Holdings
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
    floor=10,
    streams=0,
    requests=0,
    prices={"output_tokens": 1},
    quotas=(CREDIT,),
)


def read(borrowed: int, amount: int | None = 1000, **values: int) -> Standing:
    counts = {"spent": 0, "elsewhere": 0, "recalls": 0, "used": 0, **values}
    return Standing(amount=amount, borrowed=borrowed, **counts)


def having(units: int, of: QuotaRef = CREDIT, now: float = 0.0, **values: int) -> Holdings:
    """Holdings that have borrowed so much of one quota."""
    holdings = Holdings()
    demand = replace(CALL, quotas=(of,), streams=1, requests=1)
    holdings.wishes_for([demand], now)
    holdings.change([of.id])
    holdings.learn({of.id: read(units, **values)})
    return holdings


def hold(holdings: Holdings, units: int, of: QuotaRef = CREDIT, now: float = 0.0) -> Hold:
    made = holdings.try_hold([(of, units)], PROCESS, now)
    assert made is not None
    return made


def idle(holdings: Holdings, now: float = 0.0) -> Holdings:
    """A second goes by after what was taken."""
    holdings.wishes_back(set(), True, now)
    return holdings


def including(**borrowed: int) -> Holdings:
    """Holdings that have borrowed so much: `own` and `shared` of 1000 included units each, and
    `credit` of 1000."""
    quotas = {"own": OWN, "shared": SHARED, "credit": CREDIT}
    holdings = Holdings()
    holdings.wishes_for([INCLUDING], 0.0)
    holdings.change([quota.id for quota in quotas.values()])
    holdings.learn({of.id: read(borrowed.get(name, 0)) for name, of in quotas.items()})
    return holdings


INCLUDING = replace(CALL, included=(OWN, SHARED))
