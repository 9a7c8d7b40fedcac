"""Labels: the rendered PDF is read back with a barcode reader."""

from datetime import date

import pypdfium2
import pytest
import zxingcpp

from gateway.plant.identifiers.labels import (
    LabelSheet,
    LabelsInvalid,
    make_labels,
    render_labels,
)

NODE = "https://node.example.com"
DAY = date(2026, 11, 30)
PUMP, GTIN = "88.100.5001/泵 1", "https://id.gs1.org/01/09506000134352/21/A1"


class TestLabels:
    @pytest.mark.parametrize("symbology", ["qr", "datamatrix"])
    def test_symbols_of_a_sheet_are_read_as_addresses(self, symbology: str) -> None:
        labels = make_labels([PUMP, GTIN, "20.500.12345/X"], ["一号泵", "", "Spare"], NODE)
        content = render_labels(labels, LabelSheet(DAY, symbology, 3, 8))
        document = pypdfium2.PdfDocument(content)
        picture = document[0].render(scale=4).to_pil()
        found = {one.text for one in zxingcpp.read_barcodes(picture)}
        text = document[0].get_textpage().get_text_range()
        document.close()
        assert found == {
            f"{NODE}/id/88.100.5001/%E6%B3%B5%201",
            f"{NODE}/01/09506000134352/21/A1",
            f"{NODE}/id/20.500.12345/X",
        }
        assert "一号泵" in text
        assert "88.100.5001/泵 1" in "".join(text.split("\r\n"))

    def test_more_labels_than_fit_continue_on_the_next_page(self) -> None:
        labels = make_labels([f"88.1/{number}" for number in range(5)], [], None)
        document = pypdfium2.PdfDocument(render_labels(labels, LabelSheet(DAY, "qr", 2, 2)))
        assert len(document) == 2
        document.close()

    @pytest.mark.parametrize(
        ("identifiers", "texts"),
        [([], []), (["88.1/x"] * 1_001, []), (["88.1/x"], ["a", "b"]), (["88.1/x"], ["x" * 61])],
    )
    def test_impossible_labels_are_rejected(self, identifiers: list[str], texts: list[str]) -> None:
        with pytest.raises(LabelsInvalid):
            make_labels(identifiers, texts, None)

    @pytest.mark.parametrize(
        "sheet", [LabelSheet(DAY, "ean"), LabelSheet(DAY, "qr", 6), LabelSheet(DAY, "qr", 3, 0)]
    )
    def test_impossible_sheet_is_rejected(self, sheet: LabelSheet) -> None:
        with pytest.raises(LabelsInvalid):
            render_labels(make_labels(["88.1/x"], [], None), sheet)
