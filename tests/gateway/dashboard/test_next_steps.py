"""Next steps on the overview page, by the state of the account."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from billing.invoice_documents.invoice_list import InvoiceListItem
from billing.notifications.monitored_limits import MonitoredLimit
from billing.tables import Dispute, Invoice
from gateway.dashboard.pages.next_steps import AccountState, next_steps
from infra import ids

NOW = datetime(2026, 11, 18, tzinfo=UTC)
ALL = {"keys", "playground", "plan", "invoices", "limits", "outcomes"}
SETTLED = AccountState((), (), (), has_keys=True, has_calls=True, has_plan=True)


def invoice(due: datetime, owed: int = 5, status: str = "open") -> InvoiceListItem:
    made = Invoice(
        id=ids.new_id(),
        account_id=ids.new_id(),
        legal_entity_id=ids.new_id(),
        status=status,
        currency="CNY",
        starts_at=NOW,
        ends_at=NOW,
        tax_treatment="standard",
        tax_ppm=0,
        net=5,
        tax=0,
        total=5,
        usage=5,
        created_at=NOW,
        due_at=due,
    )
    return InvoiceListItem(made, "MAAS-000001", owed)


def dispute(answered: datetime | None, replied: datetime | None = None) -> Dispute:
    return Dispute(
        id=ids.new_id(),
        account_id=ids.new_id(),
        settlement_id=ids.new_id(),
        outcomes=[],
        opened_at=NOW,
        opened_by="li@acme.example",
        reason="the pump stood still",
        frozen=5,
        answer_due=NOW,
        answered_at=answered,
        replied_at=replied,
    )


def watched(kind: str, used: int) -> MonitoredLimit:
    of = {"meter": "rows", "model": "*"} if kind == "allowance" else {}
    return MonitoredLimit(kind, NOW, used, 100, of)


def steps(standing: AccountState, pages: set[str] = ALL) -> list[tuple[str, str]]:
    return [(step.name, step.kind) for step in next_steps(standing, NOW, pages)]


def test_settled_account_has_no_next_steps() -> None:
    assert steps(SETTLED) == []


def test_open_and_overdue_invoices_are_next_steps() -> None:
    day = timedelta(days=1)
    owed = (invoice(NOW - day), invoice(NOW + day), invoice(NOW, 0), invoice(NOW, 5, "paid"))
    assert steps(replace(SETTLED, invoices=owed)) == [("overdue", "bad"), ("pay", "")]


def test_dispute_awaiting_the_customer_is_a_next_step() -> None:
    turn = dispute(NOW)
    (step,) = next_steps(
        replace(SETTLED, disputes=(dispute(None), turn, dispute(NOW, NOW))), NOW, ALL
    )
    settlement = ids.format_id("oset", turn.settlement_id)
    assert (step.name, step.kind, step.dispute) == ("reply", "warn", turn)
    assert step.address == f"/dashboard/outcomes/settlements/{settlement}#disputes"


def test_limits_used_to_80_percent_are_next_steps() -> None:
    found = (watched("credit", 79), watched("credit", 80), watched("cap", 100))
    assert steps(replace(SETTLED, watched=found)) == [("nearly", "warn"), ("used_up", "bad")]


def test_used_up_allowance_is_a_warning_and_not_an_error() -> None:
    found = (watched("allowance", 100),)
    assert steps(replace(SETTLED, watched=found)) == [("used_up", "warn")]


def test_new_account_is_led_to_key_plan_and_first_call() -> None:
    new = AccountState((), (), (), has_keys=False, has_calls=False, has_plan=False)
    assert [name for name, _ in steps(new)] == ["first_key", "choose_plan"]
    with_key = replace(new, has_keys=True, has_plan=True)
    assert [name for name, _ in steps(with_key)] == ["first_call"]


def test_steps_to_forbidden_pages_are_omitted() -> None:
    new = AccountState((invoice(NOW),), (), (), has_keys=False, has_calls=False, has_plan=False)
    assert [name for name, _ in steps(new, {"invoices"})] == ["pay"]


def test_proposals_of_agents_wait_for_approval_with_their_number() -> None:
    waiting = next_steps(replace(SETTLED, agent_proposals=3), NOW, {"agents"})
    assert [(step.name, step.address, step.proposals) for step in waiting] == [
        ("proposals", "/dashboard/agents", 3)
    ]
    assert steps(replace(SETTLED, agent_proposals=3)) == []
