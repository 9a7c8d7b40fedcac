"""`maas entities|alerts` and `maas billing set --seller`: output as JSON and as text."""

import pytest

from tests.support.fakes import names
from tests.support.gateway.commands import PLAIN, Maas

HOOK = "https://acme.example/hook"


class TestLegalEntities:
    async def test_second_seller_has_its_own_invoice_numbers(self, maas: Maas) -> None:
        added = await maas.say("entities", "add", "SH", "--name", "上海销售有限公司")
        assert (added["code"], added["tax_number"]) == ("SH", "")
        profile = await maas.say("billing", "set", "Acme", "--seller", "SH")
        assert profile["seller"] == "SH"
        await maas.publish("plain", PLAIN)
        begun = await maas.say("subscribe", "Acme", "plain")
        invoice = await maas.say("invoices", "show", "Acme", begun["invoices"][0])
        assert invoice["number"] == "SH-000001"
        assert invoice["seller"]["name"] == "上海销售有限公司"

    async def test_changed_seller_does_not_change_final_invoices(self, maas: Maas) -> None:
        await maas.say("entities", "add", "SH", "--name", "Seller")
        await maas.say("billing", "set", "Acme", "--seller", "SH")
        await maas.publish("plain", PLAIN)
        begun = await maas.say("subscribe", "Acme", "plain")
        before = await maas.say("invoices", "show", "Acme", begun["invoices"][0])
        words = ("--name", "Other", "--address", "Street 1", "--tax-number", "7")
        changed = await maas.say("entities", "change", "SH", *words)
        assert [changed[name] for name in ("name", "address", "tax_number")] == [
            "Other",
            "Street 1",
            "7",
        ]
        assert await maas.say("invoices", "show", "Acme", begun["invoices"][0]) == before
        first, second = await maas.say("entities", "list")
        assert (first["code"], second) == ("MAAS", changed)
        assert "Street 1" in await maas.tell("entities", "list")

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("add", "sh", "--name", "x"), "legal_entity_invalid"),
            (("add", "SH", "--name", " "), "legal_entity_invalid"),
            (("add", "MAAS", "--name", "x"), "legal_entity_taken"),
            (("change", "SH", "--name", "x"), "legal_entity_not_found"),
        ],
    )
    async def test_invalid_code_or_name_is_rejected(
        self, maas: Maas, arguments: tuple[str, ...], code: str
    ) -> None:
        assert await maas.refuse("entities", *arguments) == code

    async def test_unknown_seller_is_rejected_and_profile_is_unchanged(self, maas: Maas) -> None:
        refused = await maas.refuse("billing", "set", "Acme", "--seller", "SH", "--locale", "en")
        assert refused == "legal_entity_not_found"
        assert (await maas.say("billing", "show", "Acme"))["locale"] == "zh"


class TestAlertSettings:
    @pytest.fixture(autouse=True)
    def dns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names.answer_lookups(monkeypatch)

    async def test_webhook_and_percentages_are_set_and_webhook_removed(self, maas: Maas) -> None:
        words = ("--webhook", HOOK, "--percent", "70", "--percent", "95")
        made = await maas.say("alerts", "set", "Acme", *words)
        assert (made["url"], made["percentages"]) == (HOOK, [70, 95])
        assert made["secret"].startswith("whsec_")
        shown = await maas.say("alerts", "show", "Acme")
        assert shown == {name: value for name, value in made.items() if name != "secret"}
        assert f"url: {HOOK}" in await maas.tell("alerts", "show", "Acme")
        ended = await maas.say("alerts", "set", "Acme", "--webhook", "none")
        assert (ended["url"], ended["percentages"]) == (None, [70, 95])

    async def test_alert_test_reports_the_delivery_result(self, maas: Maas) -> None:
        assert await maas.refuse("alerts", "test", "Acme") == "nobody_to_tell"
        await maas.say("alerts", "set", "Acme", "--webhook", "https://away.example/")
        tested = await maas.say("alerts", "test", "Acme")
        assert tested["webhook"]["error"] == "The host name cannot be resolved by DNS."
        assert await maas.refuse("alerts", "test", "Acme") == "alert_test_too_soon"

    async def test_private_or_malformed_webhook_url_is_rejected(self, maas: Maas) -> None:
        for url in ("https://10.0.0.1/", "https://mes.local/", "https://li:x@acme.example/"):
            refused = await maas.refuse("alerts", "set", "Acme", "--webhook", url)
            assert refused == "alert_target_invalid"

    @pytest.mark.parametrize("host", ["missing.example", "inside.example"])
    async def test_unresolvable_or_private_webhook_host_is_rejected(
        self, maas: Maas, host: str
    ) -> None:
        refused = await maas.refuse("alerts", "set", "Acme", "--webhook", f"https://{host}/")
        assert refused == "alert_target_invalid"
        assert (await maas.say("alerts", "show", "Acme"))["url"] is None

    async def test_webhook_is_set_with_a_warning_if_dns_does_not_answer(self, maas: Maas) -> None:
        words = ("alerts", "set", "Acme", "--webhook")
        made = await maas.say(*words, "https://away.example/")
        assert made["url"] == "https://away.example/"
        assert made["warning"].startswith("DNS did not answer")
        told = await maas.tell(*words, "https://broken.example/")
        assert "  warning: DNS did not answer, so the host name was not checked." in told

    async def test_invalid_webhook_percentage_or_account_is_rejected(self, maas: Maas) -> None:
        assert await maas.refuse("alerts", "set", "Acme", "--webhook", "x") == (
            "alert_target_invalid"
        )
        assert await maas.refuse("alerts", "set", "Acme", "--percent", "0") == (
            "alert_target_invalid"
        )
        assert await maas.refuse("alerts", "show", "Nobody") == "account_not_found"
