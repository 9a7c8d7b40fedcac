"""AASX packages of unknown origin."""

import io
import zipfile
from collections.abc import Callable

import pytest

from gateway.plant.formats.aas.package_reader import read_package
from gateway.plant.formats.aas.writer import write_aasx
from gateway.plant.formats.limits import FormatLimits
from gateway.plant.formats.results import FormatInvalid, FormatTooLarge
from tests.support.plants import pump_station

LIMITS = FormatLimits()
ORIGIN = "aasx/_rels/aasx-origin.rels"
RELATIONSHIPS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="R" Type="{kind}" Target="{target}"{more}/></Relationships>'
)
SPEC = "http://admin-shell.io/aasx/relationships/aas-spec"
Parts = dict[str, bytes]


def package(change: Callable[[Parts], None], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A package of the pump station, whose parts were changed."""
    with zipfile.ZipFile(io.BytesIO(write_aasx(pump_station()).content)) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    change(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as changed:
        for name, content in parts.items():
            changed.writestr(name, content)
    return buffer.getvalue()


def pointing_to(target: str, kind: str = SPEC, more: str = "") -> Callable[[Parts], None]:
    """Let the origin's relationship lead elsewhere."""
    text = RELATIONSHIPS.format(kind=kind, target=target, more=more).encode()
    return lambda parts: parts.update({ORIGIN: text})


def adding(name: str, content: bytes = b"") -> Callable[[Parts], None]:
    """Add a part."""
    return lambda parts: parts.update({name: content})


class TestRelationships:
    @pytest.mark.parametrize(
        "target",
        ["/aasx/plant/plant.aas.xml", "plant/plant.aas.xml", "./x/../plant/plant.aas.xml"],
    )
    def test_target_is_resolved_from_the_folder_of_its_source(self, target: str) -> None:
        read = read_package(package(pointing_to(target)), LIMITS)
        assert [name for name, _ in read.specifications] == ["aasx/plant/plant.aas.xml"]

    def test_names_of_parts_ignore_case_and_types_may_be_deprecated(self) -> None:
        kind = SPEC.replace("//admin", "//www.admin")
        read = read_package(package(pointing_to("/AASX/plant/PLANT.aas.xml", kind)), LIMITS)
        assert len(read.specifications) == 1

    @pytest.mark.parametrize(
        "target",
        ["../../../etc/passwd", "/nowhere.xml", "http://host.example/a.xml", "..\\a.xml", ""],
    )
    def test_target_outside_of_the_package_is_refused(self, target: str) -> None:
        with pytest.raises(FormatInvalid):
            read_package(package(pointing_to(target)), LIMITS)

    def test_external_target_is_ignored(self) -> None:
        external = pointing_to("http://host.example/a.xml", more=' TargetMode="External"')
        with pytest.raises(FormatInvalid, match="no Asset Administration Shells"):
            read_package(package(external), LIMITS)

    def test_package_without_relationships_has_no_shells(self) -> None:
        with pytest.raises(FormatInvalid, match="no Asset Administration Shells"):
            read_package(package(lambda parts: parts.pop("_rels/.rels")), LIMITS)

    def test_relationships_with_a_document_type_are_refused(self) -> None:
        bomb = b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
        with pytest.raises(FormatInvalid, match="XML"):
            read_package(package(adding(ORIGIN, bomb)), LIMITS)


class TestHostilePackages:
    @pytest.mark.parametrize("name", ["../evil", "/evil", "a\\evil", "a/../../evil"])
    def test_unsafe_name_of_a_part_is_refused(self, name: str) -> None:
        with pytest.raises(FormatInvalid, match="unsafe"):
            read_package(package(adding(name)), LIMITS)

    def test_two_parts_with_one_name_are_refused(self) -> None:
        with pytest.raises(FormatInvalid, match="same name"):
            read_package(package(adding("AASX/AASX-origin")), LIMITS)

    def test_zip_bomb_is_refused_by_its_ratio(self) -> None:
        with pytest.raises(FormatTooLarge, match="compressed too strongly"):
            read_package(package(adding("bomb", bytes(2 << 20))), LIMITS)

    def test_too_many_parts_are_refused(self) -> None:
        with pytest.raises(FormatTooLarge, match="parts"):
            read_package(package(lambda _: None), FormatLimits(max_parts=3))

    def test_parts_that_are_too_large_together_are_refused(self) -> None:
        stored = package(adding("large", bytes(range(256)) * 200), zipfile.ZIP_STORED)
        with pytest.raises(FormatTooLarge):
            read_package(stored, FormatLimits(max_bytes=len(stored) - 10_000))

    def test_damaged_part_is_refused(self) -> None:
        content = bytearray(package(lambda _: None, zipfile.ZIP_STORED))
        position = content.index(b"<environment")
        content[position + 5] ^= 1
        with pytest.raises(FormatInvalid, match="not a readable"):
            read_package(bytes(content), LIMITS)

    def test_undecodable_name_of_a_part_is_refused(self) -> None:
        content = package(adding("ä.xml")).replace("ä.xml".encode(), b"\xff\xff.xml")
        with pytest.raises(FormatInvalid, match="not a readable"):
            read_package(content, LIMITS)

    def test_encrypted_part_is_refused(self) -> None:
        content = bytearray(package(lambda _: None))
        content[content.index(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(FormatInvalid, match="encrypted"):
            read_package(bytes(content), LIMITS)
