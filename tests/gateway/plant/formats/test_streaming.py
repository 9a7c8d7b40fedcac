"""Tests of large exchange files: read and written one submodel or node at a time."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from gateway.plant.assets.values import Asset, AssetLevel, PlantModel, Point
from gateway.plant.formats.aas.reader import read_aas
from gateway.plant.formats.aas.writer import write_aas_json, write_aasx
from gateway.plant.formats.limits import DEFAULT_LIMITS
from gateway.plant.formats.nodeset.reader import read_nodeset
from gateway.plant.formats.nodeset.writer import write_nodeset
from gateway.plant.formats.results import FormatInvalid
from gateway.plant.formats.xml_events import xml_events
from tests.support.nightly import nightly
from tests.support.plants import pump_station

MIB = 1 << 20


def pumps(count: int) -> PlantModel:
    """Return pumps with ten points each."""
    assets = tuple(Asset(f"P{n:03}", f"Pump {n}", AssetLevel.EQUIPMENT) for n in range(count))
    points = tuple(
        Point(f"T-{n:03}-{k}", f"Temperature {k}", f"P{n:03}", "degC", low=0.0, high=150.0)
        for n in range(count)
        for k in range(10)
    )
    return PlantModel(assets, points)


def peak_bytes(act: Callable[[], object]) -> int:
    """Return the most memory that an action holds at a time."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def specification(package: bytes) -> bytes:
    """Return the XML of an AASX package."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read("aasx/plant/plant.aas.xml")


class TestMemory:
    @nightly
    def test_export_of_a_package_needs_memory_for_one_submodel_at_a_time(self) -> None:
        few, many = pumps(10), pumps(100)
        write_aasx(few)  # classes and caches of the first use
        grown = peak_bytes(lambda: write_aasx(many)) - peak_bytes(lambda: write_aasx(few))
        assert grown < len(specification(write_aasx(many).content))

    def test_import_of_xml_needs_memory_for_one_submodel_at_a_time(self) -> None:
        text = specification(write_aasx(pumps(100)).content)
        read_aas(text)
        assert peak_bytes(lambda: read_aas(text)) < 2 * len(text)


class TestAasDocuments:
    def test_submodels_before_their_shells_are_read_the_same(self) -> None:
        data = json.loads(write_aas_json(pump_station()).content)
        moved = json.dumps(dict(reversed(data.items()))).encode()
        assert read_aas(moved).model == read_aas(json.dumps(data).encode()).model

    def test_json_and_package_of_one_model_are_read_the_same(self) -> None:
        model = pump_station()
        assert (
            read_aas(write_aas_json(model).content).model
            == read_aas(write_aasx(model).content).model
        )

    def test_invalid_submodel_is_named_by_its_place(self) -> None:
        data = json.loads(write_aas_json(pump_station()).content)
        data["submodels"][2]["modelType"] = "Nothing"
        with pytest.raises(FormatInvalid) as raised:
            read_aas(json.dumps(data).encode())
        assert "submodels[2]" in str(raised.value)

    def test_invalid_submodel_of_xml_is_refused(self) -> None:
        text = specification(write_aasx(pump_station()).content)
        with pytest.raises(FormatInvalid):
            read_aas(text.replace(b"<submodelElements>", b"<nothing>", 1))


class TestXmlEvents:
    @pytest.mark.parametrize(
        "head",
        [
            "<!DOCTYPE a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]>",
            f"<!--{'x' * 200_000}--><!DOCTYPE a [<!ENTITY b 'c'>]>",
        ],
        ids=["empty", "external", "entity", "after a long comment"],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_document_type_is_refused(self, head: str, encoding: str) -> None:
        declared = f'<?xml version="1.0" encoding="{encoding}"?>{head}<a/>'
        with pytest.raises(FormatInvalid):
            list(xml_events(declared.encode(encoding), DEFAULT_LIMITS))

    @pytest.mark.parametrize(
        "content", [b"", b"   ", b"<!DOCTYPE", b"<a>", b"<?xml version='1.0' encoding='no'?><a/>"]
    )
    def test_unreadable_xml_is_refused(self, content: bytes) -> None:
        with pytest.raises(FormatInvalid):
            list(xml_events(content, DEFAULT_LIMITS))

    def test_plain_document_gives_start_and_end_of_each_element(self) -> None:
        events = [(kind, one.tag) for kind, one in xml_events(b"<a><b/></a>", DEFAULT_LIMITS)]
        assert events == [("start", "a"), ("start", "b"), ("end", "b"), ("end", "a")]


class TestNodeSet:
    def test_values_are_read_without_keeping_their_elements(self) -> None:
        content = write_nodeset(pumps(50)).content
        read_nodeset(content)
        assert peak_bytes(lambda: read_nodeset(content)) < 4 * len(content) + MIB
