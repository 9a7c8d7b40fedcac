"""Drafts: which orders and failure modes are alike, and the text that is added to an order."""

from datetime import UTC, datetime

import pytest

from gateway.agents.orders.drafting import draft_text
from gateway.agents.orders.history import (
    FailureMode,
    Named,
    OrderHistory,
    PlantOrder,
    content_hash,
    order_text,
)
from gateway.agents.orders.similar import find_similar
from infra import ids

DAY = datetime(2026, 3, 1, tzinfo=UTC)
SEAL = FailureMode(
    "seal_leak", "Seal leak 密封泄漏", (Named("dry", "Dry run"),), (Named("new", "Replace seal"),)
)
BEARING = FailureMode("bearing_wear", "Bearing wear")


def order(code: str, text: str, *modes: str, parts: tuple[Named, ...] = ()) -> PlantOrder:
    return PlantOrder(ids.new_id(), code, text, text, "2026-02-01", True, DAY, code, modes, parts)


HISTORY = OrderHistory(
    [
        order("WO-1", "Water drips from the seal", "seal_leak", parts=(Named("M-7", "Seal kit"),)),
        order("WO-2", "Noise at the bearing of the motor", "bearing_wear"),
        order("WO-3", "Yearly paint of the fence"),
    ],
    [SEAL, BEARING],
)


@pytest.mark.parametrize(
    ("text", "mode", "similar"),
    [
        ("Seal drips water again", "seal_leak", "WO-1"),
        ("Loud bearing noise", "bearing_wear", "WO-2"),
        ("密封处泄漏", "seal_leak", None),
    ],
)
def test_order_is_like_earlier_ones_by_its_words(text: str, mode: str, similar: str | None) -> None:
    found = find_similar(order("WO-9", text), HISTORY, 3)
    assert found.modes[0].mode.code == mode
    assert (found.similar[0].order.code if found.similar else None) == similar


def test_parts_and_counts_are_those_of_earlier_orders_and_unrelated_ones_are_left_out() -> None:
    found = find_similar(order("WO-9", "Water drips from the seal"), HISTORY, 3)
    assert [(one.mode.code, one.count) for one in found.modes] == [("seal_leak", 1)]
    assert found.parts == [Named("M-7", "Seal kit")]
    nothing = find_similar(order("WO-9", "xyz"), HISTORY, 3)
    assert (nothing.modes, nothing.similar, nothing.parts) == ([], [], [])
    assert find_similar(order("WO-9", ""), OrderHistory(), 3).modes == []


def test_draft_names_modes_steps_with_sources_parts_and_orders_in_the_language() -> None:
    document = {
        "modes": [
            {"name": "Seal leak", "count": 2, "causes": ["Dry run"], "remedies": ["Replace seal"]}
        ],
        "steps": "Close the valve. [1]",
        "passages": [{"file_id": "file_1", "filename": "pump.pdf"}],
        "parts": [{"code": "M-7", "name": "Seal kit"}],
        "similar": [{"code": "WO-1", "date": "2026-02-01", "name": "Water drips"}],
    }
    english = draft_text(document, "en")
    assert "Seal leak; causes: Dry run; remedies: Replace seal; 2 times on this asset" in english
    assert "- [1] pump.pdf" in english
    assert "可能的故障模式" in draft_text(document, "zh")
    empty = {"modes": [], "steps": "", "passages": [], "parts": [], "similar": []}
    assert draft_text(empty, "en").startswith("The plant model and the manuals say nothing")
    long = {**empty, "similar": [{"code": "x" * 300, "date": "", "name": ""}] * 20}
    assert len(draft_text(long, "en")) == 2_000


def test_what_agents_write_into_an_order_is_no_content_of_it() -> None:
    written = {"text": {"value": "drips"}, "status": {"value": "open"}}
    drafted = {**written, "agent_draft": {"value": "long"}}
    assert content_hash("WO", written) == content_hash("WO", drafted)
    assert content_hash("WO", written) != content_hash("WO", {"text": {"value": "leaks"}})
    assert order_text("WO", drafted) == "WO\ndrips"
