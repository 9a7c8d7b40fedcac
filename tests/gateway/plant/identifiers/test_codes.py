"""Parsing of identifiers and prefixes: canonical forms, check digits, containment."""

import pytest

from gateway.plant.identifiers.codes import parse_identifier
from gateway.plant.identifiers.errors import IdentifierInvalid
from gateway.plant.identifiers.prefixes import Prefix, parse_prefix

PUMP = "https://id.gs1.org/01/09506000134352/21/A1"


class TestParseIdentifier:
    @pytest.mark.parametrize(
        ("text", "canonical", "prefix"),
        [
            ("88.100.5001/PUMP-1", "88.100.5001/PUMP-1", "88.100.5001"),
            ("88.100.5001/a/b 泵", "88.100.5001/a/b 泵", "88.100.5001"),
            ("hdl:20.500.abc/x", "20.500.ABC/x", "20.500.ABC"),
            ("https://hdl.handle.net/20.500.12345/x%2Fy", "20.500.12345/x/y", "20.500.12345"),
            ("https://example.com/01/9506000134352/21/A1", PUMP, "gs1.950600013435"),
            ("http://x.example/some/01/09506000134352/21/A1?a=b", PUMP, "gs1.950600013435"),
            ("urn:epc:id:sgtin:9506000.013435.A1", PUMP, "gs1.950600013435"),
        ],
    )
    def test_each_syntax_has_one_canonical_form(
        self, text: str, canonical: str, prefix: str
    ) -> None:
        found = parse_identifier(text)
        assert (found.text, found.prefix.text) == (canonical, prefix)
        assert parse_identifier(found.text) == found

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "88.100.5001",
            "88.100.5001/",
            "88/x",
            "88..1/x",
            "88.100.5001/ x",
            "88.100.5001/x\n",
            "88.1.2.3.4.5.6.7.8/x",
            "88.100/" + "x" * 257,
            "gs1.9506000/x",
            "https://example.com/01/09506000134351/21/A1",
            "https://example.com/01/09506000134352/21/" + "x" * 21,
            "https://example.com/01/09506000134352/21/泵",
            "https://example.com/01/09506000134352/21/A1/10/B",
            "https://example.com/01/09506000134352/21",
            "https://example.com/01/09506000134352/21/%zz",
            "https://example.com/00/106141412345678908",
            "https://[x/01/09506000134352",
            "urn:epc:id:sscc:0614141.1234567890",
            "urn:epc:id:sgtin:9506000.01343.A1",
        ],
    )
    def test_invalid_text_is_rejected(self, text: str) -> None:
        with pytest.raises(IdentifierInvalid):
            parse_identifier(text)


class TestPrefix:
    def test_labels_are_compared_whole(self) -> None:
        assert Prefix("88.100").contains(Prefix("88.100.5"))
        assert not Prefix("88.10").contains(Prefix("88.100"))

    def test_company_prefixes_are_compared_by_digits(self) -> None:
        assert Prefix("gs1.95060").contains(Prefix("gs1.950600013435"))
        assert Prefix("gs1").contains(Prefix("gs1.9506"))
        assert not Prefix("gs1.9507").contains(Prefix("gs1.950600013435"))

    def test_ancestors_end_at_the_root(self) -> None:
        names = [one.text for one in Prefix("88.100.5001").ancestors()]
        assert names == ["88.100.5001", "88.100", "88"]
        assert Prefix("gs1.95060").ancestors()[-1] == Prefix("gs1")

    @pytest.mark.parametrize("text", ["", "88.", "x.1", "88.1-2", "gs1.123", "gs1.1234567890123"])
    def test_malformed_prefix_is_rejected(self, text: str) -> None:
        with pytest.raises(IdentifierInvalid):
            parse_prefix(text)
