"""The page of an import whose file is read after the request: being read, failed, previewed."""

import asyncio

from gateway.plant.imports.previews import READING
from gateway.tables.plant import PlantImport
from infra import ids
from tests.support.dashboard.firm import Firm
from tests.support.dashboard.looking import words

API, PAGE = "/v1/plant/imports", "/dashboard/plant/imports"
CYCLE = b"asset,parent,tag\nA,B,\nB,A,\n"
TAGS = b"tag\nT-1\n"


async def begun(office: Firm, content: bytes) -> str:
    form, files = {"background": "true"}, {"file": ("tags.csv", content)}
    answer = await office.gateway.http.post(API, files=files, data=form)
    await asyncio.gather(*office.gateway.parts.plant.importer.tasks)
    return str(answer.json()["id"])


async def test_page_says_that_a_file_is_being_read_or_could_not_be_imported(office: Firm) -> None:
    gateway, owner = office.gateway, office.owner
    now = gateway.parts.clock.now()
    row = PlantImport(
        id=ids.new_id(), account_id=gateway.account.id, status=READING, mode="merge",
        source="manual", file_name="plant.xml", revision=0, content=b"", summary={}, actor="cli",
        created_at=now,
    )  # fmt: skip
    async with gateway.parts.database.transaction() as session:
        session.add(PlantImport(**row.model_dump()))
    shown = words(await owner.page(f"{PAGE}/{ids.format_id('imp', row.id)}"))
    assert "Being read" in shown
    assert "The file is being read." in shown
    failed = words(await owner.page(f"{PAGE}/{await begun(office, CYCLE)}"))
    assert "The file could not be imported." in failed
    previewed = words(await owner.page(f"{PAGE}/{await begun(office, TAGS)}"))
    assert "What the import changes" in previewed
    assert "T-1" in previewed
    listed = words(await owner.page("/dashboard/plant/import"))
    assert listed.count("Being read") == listed.count("Failed") == 1
