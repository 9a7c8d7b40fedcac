"""Replay against a real gateway: calls are sent when due, with their tenant's key, and timed."""

from load.deployment.create_firms import subscribe_to_priority_plan
from load.replay.arrivals import Arrival
from load.replay.experiments import TIER_SHARES
from load.replay.player import ReplayTarget, send_calls
from load.replay.schedule import ScheduledCall
from tests.support.builders import CHAT, Gateway


class TestTracePlayer:
    async def test_calls_are_answered_and_recorded_in_usage_rows(self, gateway: Gateway) -> None:
        target = ReplayTarget(gateway.url, CHAT, {"acme": gateway.key.secret, "nobody": "maas_x"})
        scheduled = [ScheduledCall(Arrival(0.02 * n, 3 + n, 4 + n), "acme") for n in range(5)]
        outcomes = await send_calls(
            target, [*scheduled, ScheduledCall(Arrival(0.0, 1, 1), "nobody")]
        )
        is_complete = [one for one in outcomes if one.is_complete]
        assert len(is_complete) == 5
        assert [one.error_code for one in outcomes if not one.is_complete] == ["invalid_api_key"]
        assert all(0 < (one.first_token_s or 0) <= one.total_s for one in is_complete)
        rows = {row["input_tokens"]: row["output_tokens"] for row in await gateway.rows(6)}
        assert rows.items() >= {(3 + n, 4 + n) for n in range(5)}

    async def test_all_service_tiers_are_served_with_a_priority_plan(
        self, gateway: Gateway
    ) -> None:
        target = ReplayTarget(gateway.url, CHAT, {"acme": gateway.key.secret})
        scheduled = [ScheduledCall(Arrival(0.0, 3, 4), "acme", tier) for tier in TIER_SHARES]
        async with gateway.parts.database.transaction() as session:
            await subscribe_to_priority_plan(session, gateway.parts.settings, gateway.account)
        assert [one.error_code for one in await send_calls(target, scheduled)] == ["", "", ""]

    async def test_calls_of_an_abandoned_tenant_end_with_the_others(self, gateway: Gateway) -> None:
        target = ReplayTarget(
            gateway.url, CHAT, {"acme": gateway.key.secret, "b": gateway.key.secret}
        )
        scheduled = [
            ScheduledCall(Arrival(0.0, 2, 2), "acme"),
            ScheduledCall(Arrival(60.0, 2, 2), "b"),
        ]
        outcomes = await send_calls(target, scheduled, frozenset({"b"}))
        assert [one.scheduled.tenant for one in outcomes] == ["acme"]
