"""Signed limits of a gateway's account, through the API."""

from datetime import timedelta

from billing.outcomes.evidence.signatures import generate_key_pair
from gateway.plant.commands.documents import read_key, sign_limits
from gateway.plant.commands.values import PointLimits
from infra import ids
from tests.support.builders import Gateway
from tests.support.plant.commands import limits, point


async def add_limits(gateway: Gateway, *points: PointLimits) -> str:
    """Add limits of a new key, of two set points by default; returns their id."""
    private, public = generate_key_pair()
    now = gateway.parts.clock.now()
    listed = points or (
        point(max_step=0.5, dead_man_s=900.0, safe_value=3.0, min_interval_s=60.0),
        point(tag="P-102.SP"),
    )
    document = limits(
        *listed,
        account=ids.format_id("acct", gateway.account.id),
        issued_at=now,
        expires_at=now + timedelta(days=30),
    )
    token = sign_limits(document, read_key(private.decode()))
    body = {"limits": token, "public_key": public.decode()}
    answer = await gateway.http.post("/v1/agents/limits", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])
