"""Passages of files that the plant graph links to what a search names."""

from typing import Any

import pytest

from tests.gateway.retrieval.asking import ask, tool
from tests.gateway.retrieval.firm import Firm
from tests.support import builders
from tests.support.builders import customer
from tests.support.gateway.plants import import_all
from tests.support.nightly import nightly

_ASSETS = (
    "asset,asset name,level,parent,brick\nS1,Works,site,,\nA1,Boiler house,area,S1,\n"
    "P-1,Feed pump 1,equipment,A1,Pump\nP-2,Feed pump 2,equipment,A1,Pump\n"
    "F-1,Supply fan 1,equipment,A1,Fan\nC-1,Air compressor 1,equipment,S1,Compressor\n"
)
_ORDERS = (
    "work order,asset,date,failure mode,action\n"
    "W1,P-1,2026-02-01,Seal leak,\nW2,F-1,2026-03-01,Belt wear,\n"
    "W3,C-1,2026-03-05,Filter blockage,\n"
)
_FMEA = (
    "component,failure mode,cause,remedy,severity,occurrence,detection\n"
    "P-2,Cavitation,Low suction pressure,Clean strainer,5,3,6\n"
)
# File name, attributes, text. The texts do not name what the questions name.
_FILES: tuple[tuple[str, dict[str, str], str], ...] = (
    ("kx40.md", {"asset": "P-1"}, "Model KX-40: use part set 7710 and tighten to 45 Nm crosswise."),
    ("kx41.md", {"asset": "P-2"}, "Model KX-41: use part set 7711 and tighten to 60 Nm crosswise."),
    ("hv9.md", {"asset": "F-1"}, "Model HV-9: set the tension to 12 mm at the middle."),
    ("zr5.md", {"asset": "C-1"}, "Model ZR-5: element 2901 is exchanged every 4000 hours."),
    ("faces.md", {"failure_mode": "seal_leak"}, "Check the faces for scratches, then the O-ring."),
    ("drive.md", {"failure_mode": "belt_wear"}, "Check the pulleys with a straight edge first."),
    ("inlet.md", {"failure_mode": "filter_blockage"}, "Read the pressure drop: 25 mbar at most."),
    ("npsh.md", {"failure_mode": "cavitation"}, "Compare available and required head."),
    ("house.md", {"asset": "A1"}, "Access from the north gate with a permit of the shift leader."),
)  # fmt: skip
_NOISE = tuple(
    f"Pump, fan and compressor rounds of day {day}: seal, belt and filter looked at, all quiet."
    for day in range(1, 16)
)
# A question, and the file that answers it.
_HELD_OUT = (
    ("What do I need for a seal leak on P-1?", "faces.md"),
    ("Which part set belongs to P-1?", "kx40.md"),
    ("Which torque applies at P-2?", "kx41.md"),
    ("How is F-1 set?", "hv9.md"),
    ("What was the trouble with F-1 and where do I look first?", "drive.md"),
    ("C-1 trips: which check comes first?", "inlet.md"),
    ("P-2 sounds like gravel, what should be compared?", "npsh.md"),
    ("Who lets me in to work on F-1?", "house.md"),
    ("Feed pump 1 密封泄漏怎么检查？", "faces.md"),
    ("C-1的滤芯多久更换一次？", "zr5.md"),
)


async def plant_store(firm: Firm) -> str:
    """Create a store with linked files among files that only look alike."""
    await import_all(firm.gateway, _ASSETS, _ORDERS, _FMEA)
    store = (await firm.openai.vector_stores.create(name="M")).id
    files = [*_FILES, *((f"round{n}.md", {}, text) for n, text in enumerate(_NOISE))]
    entries = [
        {"file_id": await firm.sends(content, name), "attributes": dict(attributes)}
        for name, attributes, content in files
    ]
    # One after the other: passages of equal rank are ordered by the time at which they were stored.
    for entry in entries:
        await firm.gateway.http.post(f"/v1/vector_stores/{store}/files", json=entry)
        await firm.ready(store)
    return store


async def found(
    firm: Firm, store: str, question: str, uses_graph: bool, most: int = 3
) -> list[dict[str, Any]]:
    body = {"query": question, "max_num_results": most, "plant_graph": uses_graph}
    answer = await firm.gateway.http.post(f"/v1/vector_stores/{store}/search", json=body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


@nightly
@pytest.mark.usefixtures("cut_in_process")
async def test_files_linked_over_hops_are_found_with_their_path(firm: Firm) -> None:
    store = await plant_store(firm)
    hits = {True: 0, False: 0}
    for question, wanted in _HELD_OUT:
        for uses_graph in hits:
            names = [one["filename"] for one in await found(firm, store, question, uses_graph)]
            hits[uses_graph] += wanted in names
    assert hits[True] >= 8 > hits[False], hits
    results = await found(firm, store, "How is F-1 set?", True, most=12)
    assert results[0]["plant_path"] == ["hv9.md plant:about Supply fan 1"]
    paths = {one["filename"]: one.get("plant_path") for one in results}
    assert paths["drive.md"] == [
        "W2 plant:on Supply fan 1",
        "W2 plant:found Belt wear",
        "drive.md plant:about Belt wear",
    ]
    plain = await found(firm, store, "How is F-1 set?", False)
    assert all("plant_path" not in one for one in plain)
    answer = await ask(firm, "How is F-1 set?", tool(store, max_num_results=2))
    passages = answer.model_dump()["file_search"]["results"]
    assert passages[0]["plant_path"] == ["hv9.md plant:about Supply fan 1"]
    await _another_account_has_no_links(firm)


async def _another_account_has_no_links(firm: Firm) -> None:
    gateway = firm.gateway
    _, key = await customer(gateway.parts.database, gateway.parts.settings, "Other")
    async with builders.client(gateway.url, {"authorization": f"Bearer {key.secret}"}) as http:
        query = {"query": "select ?f { ?d plant:file ?f }"}
        answer = await http.get("/v1/plant/sparql", params=query, headers={"accept": "text/csv"})
        assert answer.text == "f\r\n"
