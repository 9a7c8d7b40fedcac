"""Playing against a real gateway: calls are sent when due, by whom they are of, and timed whole."""

from load.deployment.create_firms import sell_priority
from load.replay.arrivals import Arrival
from load.replay.experiments import CLASSES
from load.replay.player import Target, play
from load.replay.schedule import Due
from tests.support.builders import CHAT, Gateway


class TestPlay:
    async def test_calls_are_answered_and_rows_say_so(self, gateway: Gateway) -> None:
        target = Target(gateway.url, CHAT, {"acme": gateway.key.secret, "nobody": "maas_x"})
        due = [Due(Arrival(0.02 * n, 3 + n, 4 + n), "acme") for n in range(5)]
        played = await play(target, [*due, Due(Arrival(0.0, 1, 1), "nobody")])
        whole = [one for one in played if one.whole]
        assert len(whole) == 5
        assert [one.refusal for one in played if not one.whole] == ["invalid_api_key"]
        assert all(0 < (one.first_s or 0) <= one.total_s for one in whole)
        rows = {row["input_tokens"]: row["output_tokens"] for row in await gateway.rows(6)}
        assert rows.items() >= {(3 + n, 4 + n) for n in range(5)}

    async def test_priority_is_answered_when_the_plan_sells_it(self, gateway: Gateway) -> None:
        target = Target(gateway.url, CHAT, {"acme": gateway.key.secret})
        due = [Due(Arrival(0.0, 3, 4), "acme", tier) for tier in CLASSES]
        async with gateway.parts.database.transaction() as session:
            await sell_priority(session, gateway.parts.settings, gateway.account)
        assert [one.refusal for one in await play(target, due)] == ["", "", ""]

    async def test_calls_of_who_is_abandoned_end_with_the_others(self, gateway: Gateway) -> None:
        target = Target(gateway.url, CHAT, {"acme": gateway.key.secret, "b": gateway.key.secret})
        due = [Due(Arrival(0.0, 2, 2), "acme"), Due(Arrival(60.0, 2, 2), "b")]
        played = await play(target, due, frozenset({"b"}))
        assert [one.due.tenant for one in played] == ["acme"]
