"""Replay: the same figures from the bundle alone, and each figure that was changed is named."""

from typing import Any

import msgspec
import pytest

from billing.outcomes.contracts.terms import AttesterKind
from billing.outcomes.settlement.bundle import BundleInvalid, bundle_digest, parse_bundle
from billing.outcomes.settlement.measured_effects import measure_effect
from billing.outcomes.settlement.replay import price_without_effects, replay_bundle
from billing.rating.terms import Allowance
from tests.support.stories.outcome_story import contract
from tests.support.stories.story import Story


@pytest.fixture
async def said(story: Story) -> dict[str, Any]:
    """The bundle of a month with two failures at 300.00, lower than what usage would have cost."""
    covered = (Allowance("vib", "rows", 2_000_000),)
    of = await contract(await story.firm(), lower_of_usage=True, covered=covered)
    story.clock.set(2026, 10, 20)
    for day in (1, 2):
        await of.is_confirmed(f"W-{day}", f"M{day}", 2026, 10, 10 + day, 12)
    await of.use("M1", 2026, 10, 12, rows=10**6)
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    assert bundle_digest(settled.bundle) == settled.digest
    assert parse_bundle(settled.bundle).canonical_json() == settled.bundle
    return dict(msgspec.json.decode(settled.bundle))


def figures(said: Any) -> list[tuple[str, Any, Any]]:
    found = replay_bundle(msgspec.json.encode(said, order="sorted").decode(), measure_effect)
    return [(one.figure, one.stated, one.computed) for one in found.differences]


async def test_the_same_again(said: dict[str, Any]) -> None:
    """1,000,002 rows at 0.001 would be 1,000.00: two failures are less."""
    assert figures(said) == []
    found = replay_bundle(msgspec.json.encode(said).decode(), measure_effect)
    assert (found.result.minor, found.result.usage, found.currency) == (600_00, 1_000_00, "CNY")
    assert found.settlement.startswith("oset_")


async def test_a_bundle_of_before_pictures_were_counted(said: dict[str, Any]) -> None:
    """It names no such meters, and is as good as ever."""
    calls = [call for one in said["outcomes"] for call in one["calls"]]
    for one in (*said["use"], *calls):
        assert (one.pop("images"), one.pop("adaptation_seconds")) in ((0, 0), (None, None))
    assert calls
    assert figures(said) == []


async def test_a_bundle_of_before_operations_were_kept(said: dict[str, Any]) -> None:
    calls = [call for one in said["outcomes"] for call in one["calls"]]
    assert {one.pop("operation") for one in calls} == {"predictions"}
    assert figures(said) == []


async def test_a_call_that_became_an_embedding_counts_no_more(said: dict[str, Any]) -> None:
    said["outcomes"][0]["calls"][0]["operation"] = "embeddings"
    assert ("minor", 600_00, 300_00) in figures(said)


async def test_covered_pictures_bound_what_it_costs(story: Story) -> None:
    """100 pictures and a minute at list prices would be 100 x 0.05 + 60 x 0.01 = 5.60."""
    covered = (Allowance("eye", "images", 100), Allowance("eye", "adaptation_seconds", 60))
    of = await contract(await story.firm(), lower_of_usage=True, covered=covered)
    story.clock.set(2026, 10, 20)
    units = {"images": 120, "adaptation_seconds": 60}
    await of.use("M1", 2026, 10, 11, 6, model="eye", units=units)
    await of.confirms(await of.claims("W-1", "M1", 2026, 10, 11, 12))
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    found = replay_bundle(settled.bundle, measure_effect)
    assert (found.result.usage, found.result.minor, found.differences) == (5_60, 5_60, ())


async def test_another_amount(said: dict[str, Any]) -> None:
    said["result"]["minor"] += 1
    assert figures(said) == [("minor", 600_01, 600_00)]


async def test_no_result_at_all(said: dict[str, Any]) -> None:
    said["result"] = None
    assert [figure for figure, _, _ in figures(said)] == ["micro", "minor", "usage", "parts"]


async def test_usage_that_was_changed(said: dict[str, Any]) -> None:
    said["use"][0]["rows"] = 500_000
    assert [one[0] for one in figures(said)] == ["minor", "usage", "parts"]


async def test_evidence_that_was_changed(said: dict[str, Any]) -> None:
    """Its text is not what was digested, nor what was signed."""
    one = said["evidence"][0]
    one["said"] += " "
    (text, stated, computed), (signature, _, by) = figures(said)
    assert (text, stated) == (f"evidence {one['id']}", one["digest"])
    assert computed != stated
    assert (signature, by) == (f"signature of evidence {one['id']}", "by nobody")


@pytest.mark.parametrize(
    ("field", "value"), [("signature", "00" * 64), ("signature", "x"), ("public_key", "00")]
)
async def test_evidence_that_nobody_signed(said: dict[str, Any], field: str, value: str) -> None:
    said["evidence"][0][field] = value
    ((figure, _, by),) = figures(said)
    assert (figure, by) == (f"signature of evidence {said['evidence'][0]['id']}", "by nobody")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("calls", []),
        ("attested_by", "our_model"),
        ("attested_by", "silence"),
        ("happened_at", "2026-09-30T12:00:00Z"),
    ],
)
async def test_an_outcome_that_does_not_hold(said: dict[str, Any], field: str, value: Any) -> None:
    said["outcomes"][0][field] = value
    assert ("minor", 600_00, 300_00) in figures(said)


@pytest.mark.parametrize(
    ("field", "value", "figure"),
    [
        ("subject", "M9", "claim"),
        ("business_key", "W-9", "claim"),
        ("claim", "evd_x", "claim"),
        ("attested_by", "sign_off", "confirmation"),
        ("confirmation", None, "confirmation"),
        ("confirmation", "evd_x", "confirmation"),
    ],
)
async def test_an_outcome_that_nobody_said(
    said: dict[str, Any], field: str, value: Any, figure: str
) -> None:
    """It would be billed as ever; but no evidence says so."""
    one = said["outcomes"][0]
    one[field] = value
    named = [figure for figure, _, _ in figures(said)]
    assert f"{figure} of {one['id']}" in named


async def test_a_claim_that_is_no_json(said: dict[str, Any]) -> None:
    one = said["outcomes"][0]
    by_id = {each["id"]: each for each in said["evidence"]}
    for text in ("no JSON", "[]", '{"outcome": "W-1", "happened_at": "soon"}'):
        by_id[one["claim"]]["said"] = text
        assert f"claim of {one['id']}" in [figure for figure, _, _ in figures(said)]


async def test_a_claim_that_confirms_itself(story: Story) -> None:
    of = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await of.use("M1", 2026, 10, 11, 6)
    await of.claims("W-1", "M1", 2026, 10, 11, 12, by=AttesterKind.CUSTOMER_SYSTEM)
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    assert settled.minor == 300_00
    assert figures(msgspec.json.decode(settled.bundle)) == []


async def test_an_outcome_twice(said: dict[str, Any]) -> None:
    """Two of one failure: neither counts."""
    said["outcomes"].append({**said["outcomes"][0], "id": "outc_x"})
    assert ("minor", 600_00, 300_00) in figures(said)


async def test_without_some(said: dict[str, Any]) -> None:
    bundle = parse_bundle(msgspec.json.encode(said).decode())
    one, other = sorted(bundle.effect_ids)
    assert price_without_effects(bundle, frozenset({one})).minor == 300_00
    assert price_without_effects(bundle, frozenset({one, other})).minor == 0


@pytest.mark.parametrize("text", ["", "{}", "[]", "no JSON"])
def test_no_bundle(text: str) -> None:
    with pytest.raises(BundleInvalid):
        parse_bundle(text)


async def test_another_format(said: dict[str, Any]) -> None:
    with pytest.raises(BundleInvalid, match="format 2"):
        figures({**said, "format": 2})
