"""Large uploads: bounded while they arrive, kept on disk, and parsed in a process of their own."""

import gzip
import tempfile
from typing import Any

import pytest

from gateway.api.plant.uploads import BoundedReceive
from gateway.call.errors import BodyTooLarge
from gateway.plant.assets.limits import PlantLimits
from gateway.plant.assets.values import Asset, AssetLevel, PlantModel, Property, Source
from gateway.plant.formats.aas.writer import write_aasx
from gateway.plant.formats.nodeset.writer import write_nodeset
from gateway.plant.imports import exchange_process
from gateway.plant.imports.exchange_formats import ExchangeContent, PlantFile
from gateway.plant.imports.exchange_process import StoredFile, opened_file, read_in_process
from infra.sentences import Sentence
from tests.support.builders import Gateway
from tests.support.gateway.errors import error_of
from tests.support.plants import large_plant

P = "/v1/plant/imports"
POINTS = 3_000


async def read(content: bytes) -> ExchangeContent | None:
    """Return the content of a file on disk, read in a process of its own."""
    with tempfile.TemporaryFile() as stream:
        stream.write(content)
        stream.seek(0)
        return await read_in_process(StoredFile("plant.xml", stream, len(content)))


@pytest.mark.usefixtures("processes")
class TestReadingInAProcess:
    async def test_nodeset_in_gzip_is_read_as_in_the_gateway(self) -> None:
        content = await read(gzip.compress(write_nodeset(large_plant(POINTS)).content))
        assert content is not None
        assert (content.source, content.problem) == (Source.NODESET, None)
        assert len(content.model.points) == POINTS
        assert content.model.assets[0].properties == {"Maker": Property("KSB")}

    async def test_package_keeps_its_notes_as_sentences(self) -> None:
        asset = Asset(
            "P-1", "Pump", AssetLevel.EQUIPMENT, properties={"ManufacturerName": Property("K")}
        )
        content = await read(write_aasx(PlantModel((asset,))).content)
        assert content is not None
        assert all(isinstance(note, Sentence) for note in content.notes)
        assert content.model.assets[0].code == "P-1"

    async def test_tag_list_is_left_to_the_gateway(self) -> None:
        assert await read(b"tag,unit\nT-1,degC\n") is None

    async def test_xml_with_entities_is_a_problem(self) -> None:
        bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><UANodeSet>&b;</UANodeSet>'
        content = await read(bomb)
        assert content is not None
        assert isinstance(content.problem, Sentence)

    async def test_file_beyond_the_limits_of_the_process_is_a_problem(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exchange_process, "_TOTAL_S", 0.0)
        content = await read(write_nodeset(large_plant(POINTS)).content)
        assert content is not None
        assert "more time or memory" in str(content.problem)


class TestUploads:
    def test_small_upload_is_read_and_large_one_stays_on_disk(self) -> None:
        for size, kind in ((10, PlantFile), (3 << 20, StoredFile)):
            with tempfile.TemporaryFile() as stream:
                stream.write(b"x" * size)
                stream.flush()
                assert isinstance(opened_file("a.csv", stream, on_disk=True), kind)

    async def test_body_without_stated_length_is_refused_when_it_is_too_large(self) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"x" * 40_000, "more_body": True}

        bounded = BoundedReceive(receive, 50_000)
        await bounded()
        await bounded()
        with pytest.raises(BodyTooLarge) as raised:
            await bounded()
        assert (raised.value.status, raised.value.param) == (413, "file")


class TestOverHttp:
    async def test_large_nodeset_is_previewed_and_confirmed(self, gateway: Gateway) -> None:
        content = write_nodeset(large_plant(POINTS)).content
        assert len(content) > 2 << 20
        shown = await gateway.http.post(P, files={"file": ("plant.xml", content)})
        assert shown.status_code == 200, shown.text
        assert shown.json()["counts"]["points"]["create"] == POINTS
        done = await gateway.http.post(f"{P}/{shown.json()['id']}/confirm")
        assert done.json()["status"] == "applied"

    async def test_large_tag_list_is_previewed(self, gateway: Gateway) -> None:
        rows = "".join(f"T-{n},{'x' * 250}\n" for n in range(10_000))
        content = f"tag,name\n{rows}".encode()
        shown = await gateway.http.post(P, files={"file": ("tags.csv", content)})
        assert shown.status_code == 200, shown.text
        assert shown.json()["counts"]["points"]["create"] == 10_000

    async def test_file_beyond_the_limit_is_refused_with_413(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway.parts.plant.importer, "limits", PlantLimits(file_bytes=1_000))
        answer = await gateway.http.post(P, files={"file": ("tags.csv", b"x" * 100_000)})
        error = error_of(answer)
        assert (answer.status_code, error["code"], error["param"]) == (
            413,
            "request_too_large",
            "file",
        )
