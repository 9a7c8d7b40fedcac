"""Replay: the bundle alone gives the same figures, and each changed figure is reported."""

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
    """The bundle of a month with two failures at 300.00, less than the covered usage would cost."""
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


async def test_replay_of_an_unchanged_bundle_has_no_differences(said: dict[str, Any]) -> None:
    """1,000,002 rows at 0.001 would cost 1,000.00; two failures cost less."""
    assert figures(said) == []
    found = replay_bundle(msgspec.json.encode(said).decode(), measure_effect)
    assert (found.result.minor, found.result.usage, found.currency) == (600_00, 1_000_00, "CNY")
    assert found.settlement.startswith("oset_")


async def test_replay_of_a_bundle_without_image_meters_has_no_differences(
    said: dict[str, Any],
) -> None:
    """Bundles written before images were metered lack these fields and stay valid."""
    calls = [call for one in said["outcomes"] for call in one["calls"]]
    for one in (*said["use"], *calls):
        assert (one.pop("images"), one.pop("adaptation_seconds")) in ((0, 0), (None, None))
    assert calls
    assert figures(said) == []


async def test_replay_of_a_bundle_without_operations_has_no_differences(
    said: dict[str, Any],
) -> None:
    calls = [call for one in said["outcomes"] for call in one["calls"]]
    assert {one.pop("operation") for one in calls} == {"predictions"}
    assert figures(said) == []


async def test_call_changed_to_an_ineligible_operation_lowers_the_amount(
    said: dict[str, Any],
) -> None:
    said["outcomes"][0]["calls"][0]["operation"] = "embeddings"
    assert ("minor", 600_00, 300_00) in figures(said)


async def test_list_price_of_covered_images_limits_the_amount(story: Story) -> None:
    """At list prices, 100 images and a minute of fine-tuning cost 100 x 0.05 + 60 x 0.01 = 5.60."""
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


async def test_changed_amount_is_reported(said: dict[str, Any]) -> None:
    said["result"]["minor"] += 1
    assert figures(said) == [("minor", 600_01, 600_00)]


async def test_bundle_without_a_result_reports_every_figure(said: dict[str, Any]) -> None:
    said["result"] = None
    assert [figure for figure, _, _ in figures(said)] == ["micro", "minor", "usage", "parts"]


async def test_changed_usage_is_reported(said: dict[str, Any]) -> None:
    said["use"][0]["rows"] = 500_000
    assert [one[0] for one in figures(said)] == ["minor", "usage", "parts"]


async def test_changed_evidence_text_fails_digest_and_signature_checks(
    said: dict[str, Any],
) -> None:
    """The text matches neither its digest nor its signature."""
    one = said["evidence"][0]
    one["said"] += " "
    (text, stated, computed), (signature, _, by) = figures(said)
    assert (text, stated) == (f"evidence {one['id']}", one["digest"])
    assert computed != stated
    assert (signature, by) == (f"signature of evidence {one['id']}", "by nobody")


@pytest.mark.parametrize(
    ("field", "value"), [("signature", "00" * 64), ("signature", "x"), ("public_key", "00")]
)
async def test_invalid_signature_or_public_key_is_reported(
    said: dict[str, Any], field: str, value: str
) -> None:
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
async def test_outcome_that_no_longer_qualifies_is_not_counted(
    said: dict[str, Any], field: str, value: Any
) -> None:
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
async def test_outcome_that_differs_from_its_evidence_is_reported(
    said: dict[str, Any], field: str, value: Any, figure: str
) -> None:
    """The amount stays the same, but no evidence supports the outcome."""
    one = said["outcomes"][0]
    one[field] = value
    named = [figure for figure, _, _ in figures(said)]
    assert f"{figure} of {one['id']}" in named


async def test_invalid_claim_text_is_reported(said: dict[str, Any]) -> None:
    one = said["outcomes"][0]
    by_id = {each["id"]: each for each in said["evidence"]}
    for text in ("no JSON", "[]", '{"outcome": "W-1", "happened_at": "soon"}'):
        by_id[one["claim"]]["said"] = text
        assert f"claim of {one['id']}" in [figure for figure, _, _ in figures(said)]


async def test_claim_that_is_its_own_confirmation_has_no_differences(story: Story) -> None:
    of = await contract(await story.firm())
    story.clock.set(2026, 10, 20)
    await of.use("M1", 2026, 10, 11, 6)
    await of.claims("W-1", "M1", 2026, 10, 11, 12, by=AttesterKind.CUSTOMER_SYSTEM)
    await of.until(2026, 11, 4)
    (settled,) = await of.settlements()
    assert settled.minor == 300_00
    assert figures(msgspec.json.decode(settled.bundle)) == []


async def test_duplicate_outcomes_are_not_counted(said: dict[str, Any]) -> None:
    """Two outcomes of the same failure: neither counts."""
    said["outcomes"].append({**said["outcomes"][0], "id": "outc_x"})
    assert ("minor", 600_00, 300_00) in figures(said)


async def test_price_without_effects_excludes_their_amount(said: dict[str, Any]) -> None:
    bundle = parse_bundle(msgspec.json.encode(said).decode())
    one, other = sorted(bundle.effect_ids)
    assert price_without_effects(bundle, frozenset({one})).minor == 300_00
    assert price_without_effects(bundle, frozenset({one, other})).minor == 0


@pytest.mark.parametrize("text", ["", "{}", "[]", "no JSON"])
def test_invalid_bundle_text_is_rejected(text: str) -> None:
    with pytest.raises(BundleInvalid):
        parse_bundle(text)


async def test_unsupported_bundle_format_is_rejected(said: dict[str, Any]) -> None:
    with pytest.raises(BundleInvalid, match="format 2"):
        figures({**said, "format": 2})
