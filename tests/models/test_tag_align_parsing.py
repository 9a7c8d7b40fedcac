"""Parsing of tags: paths, loop names, designations, equipment and units."""

import pytest

from models.tag_align.aligner import TagAligner
from models.tag_align.describing import TagKind
from models.tag_align.parsing.isa import read_loop
from models.tag_align.parsing.kks import read_kks, read_rds_pp
from models.tag_align.parsing.name import Notation, read_name
from models.tag_align.parsing.separators import split_segments
from models.tag_align.parsing.units import UnitBasis


@pytest.fixture(scope="module")
def aligner() -> TagAligner:
    return TagAligner.load()


class TestSegments:
    @pytest.mark.parametrize(
        ("tag", "segments"),
        [
            ("site / ahu 3 / vav 109 / zone temp", ("site", "ahu 3", "vav 109", "zone temp")),
            ("/Objects/2:DeviceSet/3:Pump1", ("Objects", "DeviceSet", "Pump1")),
            ("ns=2;s=Line1.Motor.Temperature", ("Line1", "Motor", "Temperature")),
            ("1号楼/AHU-3/送风温度", ("1号楼", "AHU-3", "送风温度")),
            ("锅炉房.1#锅炉.出水温度", ("锅炉房", "1#锅炉", "出水温度")),
            ("site/ahu/start/stop", ("site", "ahu", "start/stop")),
            ("flow m3/h", ("flow m3/h",)),
            ("start/stop", ("start/stop",)),
            ("sdh.rah10_sat.alm", ("sdh.rah10_sat.alm",)),
        ],
    )
    def test_name_is_split_where_separators_separate(
        self, tag: str, segments: tuple[str, ...]
    ) -> None:
        assert split_segments(tag) == segments

    def test_name_without_letters_is_flat_and_empty(self) -> None:
        assert read_name("--- ///").leaf == ()


class TestDesignations:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("FIC-1201.PV", "flow sensor"),
            ("FIC-1201.SP", "flow setpoint"),
            ("TT-101", "temperature sensor"),
            ("PDT-1101", "differential pressure sensor"),
            ("21-LSHH-305", "level high alarm"),
            ("FV-101", "flow valve position command"),
        ],
    )
    def test_loop_name_is_read(self, name: str, words: str) -> None:
        assert read_loop(name) == tuple(words.split())

    @pytest.mark.parametrize("name", ["VAV-109", "AHU-301", "TEMP-101", "FIC-1201.XYZ", "tt-101"])
    def test_other_name_is_no_loop(self, name: str) -> None:
        assert read_loop(name) is None

    def test_kks_is_read_with_system_and_signal(self) -> None:
        sensor = ("feed", "water", "pump", "temperature", "sensor")
        assert read_kks("10LAC10CT001 XQ01") == read_kks("10LAC10CT001") == sensor
        assert read_kks("10LAC10CT001 XH01") == (*sensor[:-1], "limit", "alarm")
        assert read_kks("10LAC10ZZ001") is None

    def test_rds_pp_is_read_with_product_class(self) -> None:
        assert read_rds_pp("=G1 MDK51 -BT012") == ("drive", "train", "temperature", "sensor")
        assert read_rds_pp("MDK51") is None

    @pytest.mark.parametrize(
        ("tag", "notation"),
        [
            ("Area 1/FIC-1201/SP", Notation.ISA),
            ("10LAC10CT001", Notation.KKS),
            ("=A1.MDK10-BT001", Notation.RDS_PP),
            ("ns=2;s=Line1.Motor.Temperature", Notation.OPC_UA),
            ("ahu 3 / zone temp", Notation.PATH),
            ("Zone Temp 3", Notation.FLAT),
        ],
    )
    def test_notation_is_recognised(self, tag: str, notation: Notation) -> None:
        assert read_name(tag).notation is notation


class TestPatterns:
    def test_identifiers_of_equipment_are_masked(self) -> None:
        patterns = {
            read_name(f"soda / ahu {ahu} / vav {vav} / temp").pattern
            for ahu, vav in (("A1", "R337A"), ("A2", "C300"), ("3", "12"))
        }
        assert len(patterns) == 1

    def test_property_belongs_to_the_point(self) -> None:
        name = read_name("sdh / vav 1-10 / ctl flow min / priority")
        assert name.leaf == ("ctl", "flow", "min", "priority")


class TestDescription:
    @pytest.mark.parametrize(
        ("tag", "kind", "equipment"),
        [
            ("site / ahu 3 / vav 109 / zone temp", TagKind.POINT, "vav 109"),
            ("site / ahu 3", TagKind.EQUIPMENT, ""),
            ("floor 2 / room 12", TagKind.PLACE, ""),
            ("ahu 3 zone temp", TagKind.POINT, "ahu 3"),
            ("1号楼 / AHU-3 / 送风温度", TagKind.POINT, "AHU-3"),
        ],
    )
    def test_points_are_told_from_equipment(
        self, aligner: TagAligner, tag: str, kind: TagKind, equipment: str
    ) -> None:
        described = aligner.describe(tag)
        assert (described.kind, described.equipment) == (kind, equipment)

    @pytest.mark.parametrize(
        ("tag", "limits", "unit", "basis"),
        [
            ("送风温度 [℃]", None, "degC", UnitBasis.NAME),
            ("Motor_kW", None, "kW", UnitBasis.NAME),
            ("vav 1 / zone temp", (18.0, 25.0), "degC", UnitBasis.RANGE),
            ("vav 1 / zone temp", (64.0, 78.0), "degF", UnitBasis.RANGE),
            ("zone humidity", (20.0, 60.0), "%", UnitBasis.RANGE),
            ("boiler temp", (0.0, 90.0), "", UnitBasis.NONE),
            ("zone temp", None, "", UnitBasis.NONE),
        ],
    )
    def test_unit_is_inferred_from_name_or_range(
        self,
        aligner: TagAligner,
        tag: str,
        limits: tuple[float, float] | None,
        unit: str,
        basis: UnitBasis,
    ) -> None:
        found = aligner.describe(tag, limits).unit
        assert (found.unit, found.basis) == (unit, basis)

    def test_point_below_equipment_is_not_aligned_as_equipment(self, aligner: TagAligner) -> None:
        (candidates,) = aligner.align(["site / ahu 3 / vav 109 / zone temp"], 1)
        assert candidates[0].concept.name == "Zone Air Temperature Sensor"
