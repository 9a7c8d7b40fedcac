"""`maas plans|subscribe|subscriptions|billing|limits|wallet|invoices`: each command with JSON and
text output, on a real database."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.cycle import bill_accounts
from billing.invoice_documents.builder import build_invoice_document
from billing.tables import QuotaKind
from infra.clock import SystemClock
from models.catalog import Task
from tests.support.billing.making import sql
from tests.support.builders import CATALOG, SPECIALIST
from tests.support.gateway.commands import PLAIN, Maas

CAPPED = PLAIN.replace("plain", "capped") + 'spend_cap = "20.00"\n'
GROWTH = Path(__file__).parents[4] / "docs" / "plans" / "growth.toml"


class TestPlansCommand:
    async def test_repeated_publish_of_the_example_creates_one_version(self, maas: Maas) -> None:
        plan = await maas.say("plans", "publish", str(GROWTH))
        again = await maas.say("plans", "publish", str(GROWTH))
        assert (plan["plan"], plan["number"], plan["version"]) == ("growth", 1, again["version"])
        assert plan["fixed_fee"] == "299.00"
        texts = CATALOG.with_task(Task.TEXT_GENERATION)
        tiers = {f"{model.id}@priority" for model in texts}
        # The plan has prices of its own for the specialist, which no batch price overrides.
        tiers |= {f"{name}@batch" for name in CATALOG.models if name != SPECIALIST}
        assert {price["model"] for price in plan["prices"]} == {
            *CATALOG.models,
            *CATALOG.services,
            *tiers,
        }
        assert (await maas.say("plans", "show", "growth"))["version"] == plan["version"]
        shown = await maas.tell("plans", "show", "growth", "--currency", "cny", "--version", "1")
        assert "Per row, each unit at the price of its tier: CN¥0.001 up to 100,000 rows" in shown
        assert "percent: 10" in shown

    async def test_changed_plan_file_creates_a_new_version(self, maas: Maas) -> None:
        await maas.publish("plain", PLAIN)
        newer = await maas.publish("plain", PLAIN.replace("310.00", "320.00"))
        assert newer["number"] == 2
        assert (await maas.say("plans", "show", "plain"))["fixed_fee"] == "320.00"
        first = await maas.say("plans", "show", "plain", "--version", "1")
        assert first["fixed_fee"] == "310.00"
        rows = await maas.say("plans", "list")
        assert [(row["plan"], row["number"]) for row in rows if row["plan"] == "plain"] == [
            ("plain", 1),
            ("plain", 2),
        ]
        assert "plain" in await maas.tell("plans", "list")

    async def test_invalid_file_or_unknown_plan_is_rejected(self, maas: Maas) -> None:
        wrong = maas.folder / "wrong.toml"
        for content, code in (
            (b"plan = ", "plan_terms_invalid"),
            (b"\xff", "plan_terms_invalid"),
            (PLAIN.replace("310.00", "-1").encode(), "plan_terms_invalid"),
        ):
            wrong.write_bytes(content)
            assert await maas.refuse("plans", "publish", str(wrong)) == code
        assert await maas.refuse("plans", "show", "nope") == "plan_not_found"
        assert await maas.refuse("plans", "show", "list", "--currency", "EUR") == "plan_not_found"


class TestSubscriptionsCommand:
    async def test_subscription_is_started_changed_resumed_and_cancelled(self, maas: Maas) -> None:
        await maas.publish("plain", PLAIN)
        await maas.publish("more", PLAIN.replace("plain", "more").replace("310.00", "620.00"))
        assert (await maas.say("subscriptions", "show", "Acme"))["status"] == "none"
        begun = await maas.say("subscribe", "Acme", "plain")
        assert (begun["plan"]["plan"], len(begun["invoices"])) == ("plain", 1)
        assert await maas.refuse("subscribe", "Acme", "plain") == "already_subscribed"
        assert await maas.refuse("subscriptions", "change", "Acme", "plain") == "same_plan"
        up = await maas.say("subscriptions", "change", "Acme", "more")
        assert up["plan"]["plan"] == "more"
        down = await maas.tell("subscriptions", "change", "Acme", "plain", "--version", "1")
        assert "following: plain from" in down
        resumed = await maas.say("subscriptions", "resume", "Acme")
        assert resumed["following"] is None
        paused = await maas.say("subscriptions", "pause", "Acme", "--key", "pause-1")
        assert paused["pause"] == {"starts_at": paused["paid_until"], "resumes_at": None}
        refused = await maas.refuse("subscriptions", "pause", "Acme", "--until", "1999-01-01")
        assert refused == "invalid_value"
        left = await maas.say("subscriptions", "cancel", "Acme")
        assert left["ends_at"] == left["paid_until"]
        assert (await maas.say("subscriptions", "cancel", "Acme", "--now"))["status"] == "none"
        assert await maas.refuse("subscriptions", "resume", "Acme") == "not_subscribed"
        told = await maas.tell("subscriptions", "show", "Acme")
        assert "status: none" in told
        assert "available: 1000.000000000 CNY, limited by the credit limit" in told


class TestBillingProfileCommand:
    async def test_changed_profile_is_shown(self, maas: Maas) -> None:
        before = await maas.say("billing", "show", "Acme")
        assert (before["tax_rate"], before["locale"], before["seller"]) == ("0", "zh", "MAAS")
        words = {
            "--time-zone": "Europe/Berlin",
            "--tax-rate": "8.25",
            "--tax-treatment": "exempt",
            "--net-days": "14",
            "--collection": "manual",
            "--email": "a@example.com",
            "--name": "Acme GmbH",
            "--address": "Müllerstraße 1\nBerlin",
            "--tax-number": "DE 1",
            "--locale": "en",
        }
        arguments = [word for pair in words.items() for word in pair]
        after = await maas.say("billing", "set", "Acme", *arguments)
        assert after == await maas.say("billing", "show", "Acme")
        told = {f"--{name.replace('_', '-')}": str(value) for name, value in after.items()}
        assert {word: told[word] for word in words} == words
        assert "tax_rate: 8.25" in await maas.tell("billing", "show", "Acme")

    @pytest.mark.parametrize(
        ("option", "value", "code"),
        [
            ("--time-zone", "Mars", "time_zone_unknown"),
            ("--tax-rate", "-6", "billing_profile_invalid"),
            ("--tax-rate", "6.00001", "billing_profile_invalid"),
            ("--tax-rate", "101", "billing_profile_invalid"),
            ("--tax-treatment", "none", "billing_profile_invalid"),
            ("--net-days", "366", "billing_profile_invalid"),
            ("--locale", "fr", "billing_profile_invalid"),
        ],
    )
    async def test_invalid_profile_value_is_rejected(
        self, maas: Maas, option: str, value: str, code: str
    ) -> None:
        assert await maas.refuse("billing", "set", "Acme", option, value) == code


class TestLimitsCommand:
    async def test_show_names_the_limit_that_applies(self, maas: Maas) -> None:
        """Credit limit 1,000.00; spend cap of the plan 20.00, and 8,000.00 after an upgrade."""
        by_credit = "limited by the credit limit of 1000.000000000 CNY."
        told = await maas.tell("limits", "show", "Acme")
        assert f"Available balance: 1000.000000000 CNY, {by_credit}" in told
        await maas.publish("small", CAPPED)
        large = CAPPED.replace("capped", "large").replace("310.00", "620.00")
        await maas.publish("large", large.replace('"20.00"', '"8000.00"'))
        await maas.say("subscribe", "Acme", "capped")
        told = await maas.tell("limits", "show", "Acme")
        by_cap = "limited by the plan's monthly spend cap of 20.000000000 CNY."
        assert f"Available balance: 20.000000000 CNY, {by_cap}" in told
        await maas.say("subscriptions", "change", "Acme", "large")
        rows = {row["kind"]: row for row in await maas.say("limits", "show", "Acme")}
        assert rows["spend_cap"]["limit"] == "8000.000000000"
        assert rows["available"] == {
            "kind": "available",
            "key": None,
            "of": "account",
            "left": "1000.000000000",
            "amount": "1000.000000000",
            "currency": "CNY",
            "limited_by": "credit_limit",
            "limit": "1000.000000000",
        }

    async def test_account_without_a_credit_limit_shows_no_limit(self, maas: Maas) -> None:
        change = "update quota set amount = null where kind = 'credit'"
        await sql(maas.firm.story.database, change)
        assert "Available balance: no limit." in await maas.tell("limits", "show", "Acme")


class TestWalletCommand:
    async def test_repeated_reference_tops_up_once(self, maas: Maas) -> None:
        topped = ("wallet", "top-up", "Acme", "50.00", "--reference", "bank-1")
        for _ in range(2):
            done = await maas.say(*topped)
            assert (done["balance"], done["reference"]) == ("50.00", "bank-1")
        assert await maas.refuse(*topped[:3], "51.00", *topped[4:]) == "top_up_differs"

    async def test_top_up_raises_available_credit_immediately(self, maas: Maas) -> None:
        await maas.say("wallet", "top-up", "Acme", "50.00", "--reference", "bank-1")
        query = "select amount from quota where kind = :kind"
        ((credit,),) = await sql(maas.firm.story.database, query, kind=QuotaKind.CREDIT.value)
        assert credit == 1_050 * 10**9

    async def test_limits_top_up_equals_wallet_top_up(self, maas: Maas) -> None:
        for command in ("limits", "wallet"):
            done = await maas.say(command, "top-up", "Acme", "20", "--reference", "bank-1")
            assert done["balance"] == "20.00"
        told = await maas.tell("limits", "top-up", "Acme", "1", "--reference", "bank-2")
        assert "reference: bank-2" in told

    async def test_top_up_without_a_reference_is_a_usage_error(self, maas: Maas) -> None:
        assert (await maas.run("wallet", "top-up", "Acme", "20"))[0] == 2

    async def test_show_lists_grants_with_priority_and_expiry(self, maas: Maas) -> None:
        options = ("--given", "--priority", "10", "--expires-at", "2999-01-01")
        await maas.say("wallet", "top-up", "Acme", "5", "--reference", "gift", *options)
        wallet = await maas.say("wallet", "show", "Acme")
        (grant,) = wallet["grants"]
        assert (grant["paid"], grant["priority"], grant["expires_at"][:10]) == (
            False,
            10,
            "2999-01-01",
        )
        assert "balance: 5.00" in await maas.tell("wallet", "show", "Acme")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("0",),
            ("-1",),
            ("1.001",),
            ("x",),
            ("5", "--expires-at", "x"),
            ("5", "--priority", "101"),
            ("5", "--reference", ""),
            ("5", "--reference", "r" * 201),
        ],
    )
    async def test_invalid_top_up_is_rejected(self, maas: Maas, arguments: tuple[str, ...]) -> None:
        amount, *options = arguments
        # After `--`, an argument that starts with a minus is not an option.
        options = options if "--reference" in options else [*options, "--reference", "bank-1"]
        words = ("wallet", "top-up", *options, "--json", "--", "Acme", amount)
        code, out = await maas.run(*words)
        assert (code, json.loads(out)["error"]["code"]) == (1, "top_up_invalid")


class TestInvoicesCommand:
    @pytest.fixture
    async def billed(self, maas: Maas) -> Maas:
        """October is closed with usage of 1.23; November is running with 0.10."""
        story = maas.firm.story
        story.clock.set(2026, 10, 5)
        await maas.firm.use("vib", rows=1_234)
        story.clock.set(2026, 11, 2)
        await bill_accounts(story.database, story.clock)
        await maas.firm.use("vib", rows=100)
        return maas

    async def test_closed_invoice_is_listed_and_shown(self, billed: Maas) -> None:
        (row,) = await billed.say("invoices", "list", "Acme")
        assert (row["number"], row["total"], row["owed"]) == ("MAAS-000001", "1.23", "1.23")
        assert "MAAS-000001" in await billed.tell("invoices", "list", "Acme")
        shown = await billed.say("invoices", "show", "Acme", "MAAS-000001")
        assert shown["id"] == row["id"]
        assert shown == await billed.say("invoices", "show", "Acme", row["id"])
        told = await billed.tell("invoices", "show", "Acme", "MAAS-000001", "--locale", "en")
        assert "Invoice MAAS-000001" in told
        assert "vib: inference rows" in told
        assert await billed.refuse("invoices", "show", "Acme", "MAAS-2") == "invoice_not_found"

    async def test_close_creates_invoices_for_ended_periods(self, maas: Maas) -> None:
        """Billing periods of the story's calendar that have ended by the system clock."""
        assert (await maas.say("invoices", "close"))["invoices"] == []
        await maas.publish("plain", PLAIN)
        await maas.say("subscribe", "Acme", "plain")
        await sql(
            maas.firm.story.database,
            "update subscription_phase set fees_until = starts_at",
        )
        (invoice,) = (await maas.say("invoices", "close"))["invoices"]
        assert (await maas.say("invoices", "show", "Acme", invoice))["total"] != "0.00"
        assert "Billing periods closed." in await maas.tell("invoices", "close")

    async def test_preview_shows_the_usage_of_the_running_period(self, maas: Maas) -> None:
        await maas.firm.use("vib", at=datetime.now(UTC), rows=100)
        await bill_accounts(maas.firm.story.database, SystemClock())
        preview = await maas.say("invoices", "preview", "Acme")
        assert (preview["status"], preview["total"]) == ("preview", "0.10")
        assert "total: 0.10" in await maas.tell("invoices", "preview", "Acme", "--locale", "en")

    async def test_payment_is_recorded_once_per_reference(self, billed: Maas) -> None:
        pay = ("invoices", "pay", "Acme", "MAAS-000001", "--reference", "bank-7", "--amount")
        for _ in range(2):
            part = await billed.say(*pay, "1.00")
            assert (part["status"], part["paid"], part["owed"]) == ("open", "1.00", "0.23")
        assert await billed.refuse(*pay, "2.00") == "payment_differs"
        assert await billed.refuse(*pay, "0") == "payment_invalid"
        assert await billed.refuse(*pay, "0.001") == "payment_invalid"
        rest = (*pay[:5], "bank-8", "--amount", "0.23", "--received-at", "2026-11-20")
        assert "status: paid" in await billed.tell(*rest)
        ((at,),) = await sql(
            billed.firm.story.database,
            "select received_at from payment where reference = 'bank-8'",
        )
        assert at == datetime(2026, 11, 20, tzinfo=UTC)

    async def test_void_invoice_cannot_be_marked_uncollectible(self, billed: Maas) -> None:
        assert (await billed.say("invoices", "void", "Acme", "MAAS-000001"))["status"] == "void"
        code = await billed.refuse("invoices", "give-up", "Acme", "MAAS-000001")
        assert code == "invoice_state_wrong"

    async def test_give_up_marks_the_invoice_uncollectible(self, billed: Maas) -> None:
        given = await billed.say("invoices", "give-up", "Acme", "MAAS-000001")
        assert (given["status"], given["owed"]) == ("uncollectible", "0.00")

    async def test_credit_note_is_created_once_per_reference(self, billed: Maas) -> None:
        credit = ("invoices", "credit", "Acme", "MAAS-000001", "--reason", "x", "--amount")
        for _ in range(2):
            done = await billed.say(*credit, "0.23", "--reference", "dispute-1")
            assert (done["credited"], done["owed"]) == ("0.23", "1.00")
        for more in (("--refund",), ("--reason", "y")):
            other = (*credit, "0.23", "--reference", "dispute-1", *more)
            assert await billed.refuse(*other) == "credit_differs"
        assert await billed.refuse(*credit, "9.00", "--reference", "d-2") == "credit_invalid"
        assert await billed.refuse(*credit, "0.10", "--reference", "") == "credit_invalid"
        told = await billed.tell(*credit, "1.00", "--reference", "d-3", "--refund")
        assert "reference: d-3" in told
        assert (await billed.run(*credit, "0.10"))[0] == 2

    async def test_export_writes_invoices_of_the_selected_month_or_number(
        self, billed: Maas
    ) -> None:
        out = billed.folder / "out"
        export = ("invoices", "export", "Acme", "--out", str(out))
        assert (await billed.say(*export, "--month", "2026-11"))["folders"] == []
        for choice in ((), ("--month", "2026-10"), ("--invoice", "MAAS-000001")):
            (folder,) = (await billed.say(*export, *choice))["folders"]
            assert folder == str(out / "MAAS-000001")
        assert "MAAS-000001" in await billed.tell(*export)
        said = json.loads((out / "MAAS-000001" / "invoice.json").read_text("utf-8"))
        (invoice,) = await billed.firm.invoices()
        async with billed.firm.story.database.transaction() as session:
            document = await build_invoice_document(session, billed.firm.account.id, invoice.id)
        assert said == document.to_json()

    @pytest.mark.parametrize(
        "arguments",
        [
            ("preview", "Acme", "--locale", "fr"),
            ("export", "Acme", "--out", "x", "--month", "2026-13"),
            ("pay", "Acme", "MAAS-000001"),
        ],
    )
    async def test_invalid_or_missing_arguments_exit_with_code_2(
        self, maas: Maas, arguments: tuple[str, ...]
    ) -> None:
        assert (await maas.run("invoices", *arguments))[0] == 2
