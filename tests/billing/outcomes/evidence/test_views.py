"""JSON of contracts, attesters and evidence as both parties see it."""

from billing.outcomes.contracts.contracts import find_contract, list_versions, version_terms
from billing.outcomes.evidence.attesters import list_attesters
from billing.outcomes.evidence.log import list_evidence
from billing.outcomes.evidence.views import attester_json, contract_json, evidence_json
from tests.support.outcomes.contract_texts import EVENT, MEASURE
from tests.support.outcomes.deals import Deal

DECEMBER = EVENT.replace("2026-11-01", "2026-12-01")


async def seen(deal: Deal, *at: int) -> tuple[int | None, list[str]]:
    """The version in force and the status of each version at a time."""
    moment = deal.firm.story.clock.at(*at)
    async with deal.firm.story.database.transaction() as session:
        found = await find_contract(session, deal.account_id, "pumps")
        versions = await list_versions(session, deal.account_id, found.id)
        shown = contract_json(found, versions, moment)
    return shown["in_force"], [one["status"] for one in shown["versions"]]


async def test_contract_version_status_follows_start_and_end(deal: Deal) -> None:
    await deal.agreed(f"ends_at = 2026-12-01T00:00:00{EVENT}")
    assert await seen(deal, 2026, 10, 31) == (None, ["agreed"])
    assert await seen(deal, 2026, 11, 1) == (1, ["in_force"])
    assert await seen(deal, 2026, 12, 1) == (None, ["over"])


async def test_contract_version_status_follows_replacement_and_contract_end(deal: Deal) -> None:
    await deal.agreed()
    await deal.proposed(DECEMBER)
    assert await seen(deal, 2026, 11, 2) == (1, ["in_force", "proposed"])
    version = await deal.agreed(DECEMBER)
    assert await seen(deal, 2026, 12, 2) == (2, ["over", "in_force"])
    await deal.ended(version, at=deal.firm.story.clock.at(2026, 11, 15))
    assert await seen(deal, 2026, 12, 2) == (None, ["over", "never_in_force"])


async def test_evidence_json_without_body_and_attester_json_are_complete(deal: Deal) -> None:
    deal.firm.story.clock.set(2026, 10, 20)
    sensor = await deal.attester(await deal.proposed(MEASURE))
    kept = await deal.says(sensor)
    place = (deal.account_id, kept.contract_id)
    async with deal.firm.story.database.transaction() as session:
        (found,) = await list_evidence(session, *place, 10, include_body=False)
        (attester,) = await list_attesters(session, *place)
    assert evidence_json(found, include_body=False) == evidence_json(kept, include_body=False)
    shown = attester_json(attester)
    assert (shown["heard"], shown["added"]["by"]) == (True, "operator Li Na")
    assert (shown["accepted"]["by"], shown["revoked"]) == ("customer key_1", None)


async def test_contract_version_shows_declared_or_default_attribution(deal: Deal) -> None:
    """The default if the contract declares none; null for a measured effect."""
    named = '\n[attribution]\nmodels = ["vib"]\noperations = ["infer"]\n'
    default = {"models": ["*"], "operations": ["predictions", "infer"], "declared": False}
    declared = {"models": ["vib"], "operations": ["infer"], "declared": True}
    for text, shown in ((EVENT, default), (f"{DECEMBER}{named}", declared), (MEASURE, None)):
        version = await deal.proposed(text)
        async with deal.firm.story.database.transaction() as session:
            found = await find_contract(session, deal.account_id, version_terms(version).tag)
            versions = await list_versions(session, deal.account_id, found.id)
        seen = contract_json(found, versions, deal.firm.story.clock.now())["versions"]
        assert seen[-1]["attribution"] == shown
