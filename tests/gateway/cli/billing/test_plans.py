"""`maas plans|subscribe|subscriptions`: unlisted plans, idempotency keys and invalid plan
files."""

import json

from tests.support.gateway.commands import PLAIN, Maas


class TestUnlistedPlan:
    async def test_operator_subscribes_an_account_to_an_unlisted_plan(self, maas: Maas) -> None:
        await maas.publish("plain", PLAIN)
        deal = maas.folder / "deal.toml"
        deal.write_text(PLAIN.replace("plain", "deal"), encoding="utf-8")
        hidden = await maas.say("plans", "publish", str(deal), "--unlisted")
        assert await maas.say("plans", "publish", str(deal)) == hidden
        rows = await maas.say("plans", "list")
        listed = {row["plan"]: row["listed"] for row in rows if row["plan"] != "list"}
        assert listed == {"deal": False, "plain": True}
        assert (await maas.say("subscribe", "Acme", "deal"))["plan"]["plan"] == "deal"
        await maas.say("plans", "publish", str(deal), "--listed")
        rows = await maas.say("plans", "list")
        assert {row["listed"] for row in rows} == {True}


class TestIdempotencyKeys:
    """A command repeated with its idempotency key returns the first result and changes nothing."""

    async def test_repeated_subscribe_returns_the_first_result(self, maas: Maas) -> None:
        await maas.publish("plain", PLAIN)
        subscribe = ("subscribe", "Acme", "plain", "--key", "k-1")
        first = await maas.say(*subscribe)
        assert await maas.say(*subscribe) == first
        assert await maas.refuse("subscribe", "Acme", "plain", "--key", "k-2") == (
            "already_subscribed"
        )
        assert len(await maas.firm.invoices()) == 1
        other = (*subscribe, "--version", "1")
        assert await maas.refuse(*other) == "idempotency_key_reused"

    async def test_repeated_change_after_other_changes_returns_the_first_result(
        self, maas: Maas
    ) -> None:
        """After an upgrade and a return to the first plan, the repeated upgrade changes nothing."""
        await maas.publish("plain", PLAIN)
        await maas.publish("more", PLAIN.replace("plain", "more").replace("310", "620"))
        await maas.say("subscribe", "Acme", "plain")
        up = ("subscriptions", "change", "Acme", "more", "--key", "up")
        changed = await maas.say(*up)
        await maas.say("subscriptions", "cancel", "Acme", "--now", "--key", "c")
        await maas.say("subscribe", "Acme", "plain")
        assert await maas.say(*up) == changed
        assert (await maas.say("subscriptions", "show", "Acme"))["plan"]["plan"] == "plain"


class TestPlanFiles:
    """An invalid plan file is rejected with the line and field of its error."""

    async def refused(self, maas: Maas, content: bytes) -> tuple[str, str | None]:
        file = maas.folder / "wrong.toml"
        file.write_bytes(content)
        code, out = await maas.run("plans", "publish", str(file), "--json")
        error = json.loads(out)["error"]
        assert (code, error["code"]) == (1, "plan_terms_invalid")
        return error["message"], error["param"]

    async def test_invalid_file_is_rejected_with_line_and_field(self, maas: Maas) -> None:
        message, param = await self.refused(maas, b"plan = 'x'\n# \xff")
        assert ("not valid UTF-8" in message, param) == (True, "line 2")
        message, param = await self.refused(maas, PLAIN.replace("310.00", "x").encode())
        assert (message.endswith("(line 5)"), param) == (True, "fixed_fee")
        message, param = await self.refused(maas, b"#" * ((1 << 20) + 1))
        assert ("1048577 bytes, more than 1048576" in message, param) == (True, None)
        assert await self.refused(maas, b"") == (
            "The plan cannot be read: `plan` is missing.",
            "plan",
        )

    async def test_file_with_byte_order_mark_is_accepted(self, maas: Maas) -> None:
        file = maas.folder / "plain.toml"
        file.write_text(PLAIN, encoding="utf-8-sig")
        assert (await maas.say("plans", "publish", str(file)))["plan"] == "plain"
