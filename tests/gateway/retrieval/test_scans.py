"""Scanned PDF files and pictures of pages: recognised text, limits, and files that are rejected."""

import io
from collections.abc import Iterator
from functools import cache

import pytest
from PIL import Image
from pypdf import PdfWriter

from gateway.retrieval import scans
from gateway.retrieval.extractors import FileUnreadable, extract_text
from gateway.retrieval.ocr import weights
from tests.gateway.retrieval.firm import Firm
from tests.gateway.retrieval.scanned_pages import (
    CHINESE,
    ENGLISH,
    NAMEPLATE,
    TABLE,
    degraded,
    error_rate,
    nameplate,
    page_of,
    picture,
    scanned_pdf,
    table_of,
)
from tests.support.nightly import nightly

LAYER = "This page has a text layer of more than thirty letters."
HALF = 400  # points: the time of a recognition grows with the page


@pytest.fixture(scope="module", autouse=True)
def _models_loaded_once() -> Iterator[None]:
    """Loading the models takes longer than to read a line with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scans, "load_models", cache(weights.load_models))
        yield


def small(*lines: str) -> Image.Image:
    return page_of(lines, 24, left=30, page=Image.new("RGB", (900, 450), "white"))


class TestRecognition:
    def test_scanned_pdf_is_recognised_in_chinese_and_english(self) -> None:
        content = scanned_pdf(degraded(small(*CHINESE)), degraded(small(*ENGLISH)), tall=HALF)
        pages = extract_text("a.pdf", content).text.split("\n\n")
        rates = [error_rate("".join(lines), page)
                 for lines, page in zip((CHINESE, ENGLISH), pages, strict=True)]  # fmt: skip
        assert max(rates) < 0.03, (rates, pages)
        assert pages[0].splitlines()[0] == CHINESE[0]

    @nightly
    def test_mixed_pdf_keeps_text_layers_and_the_order_of_pages(self) -> None:
        content = scanned_pdf(LAYER, small("主轴轴承过热"), LAYER, tall=HALF)
        lines = extract_text("a.pdf", content).text.split("\n")
        assert [line for line in lines if line] == [LAYER, "主轴轴承过热", LAYER]

    @nightly
    def test_page_with_a_stamp_on_its_scan_is_recognised(self) -> None:
        page = page_of(("主轴轴承过热",)).crop((0, 0, 1240, 700))
        text = extract_text("a.pdf", scanned_pdf(page, stamp="Page 1", tall=HALF)).text
        assert text == "主轴轴承过热\nPage 1"

    def test_page_with_short_text_beside_a_small_picture_keeps_its_text(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scans, "_load_reader", None)
        content = scanned_pdf(small("主轴轴承过热"), stamp="Chapter 2")
        assert extract_text("a.pdf", content).text.strip() == "Chapter 2"

    def test_pdf_with_text_layers_is_not_recognised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scans, "_load_reader", None)
        assert extract_text("a.pdf", scanned_pdf(LAYER, LAYER)).text.split("\n")[::3] == [
            LAYER,
            LAYER,
        ]

    @nightly
    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_rotated_page_is_turned_upright(self, degrees: int) -> None:
        page = small("主轴轴承过热，检查润滑", "Check the motor cable").rotate(degrees, expand=True)
        text = extract_text("a.png", picture(page)).text
        assert text == "主轴轴承过热，检查润滑\nCheck the motor cable"

    def test_page_is_rendered_as_displayed_at_150_dpi(self) -> None:
        writer, file = PdfWriter(io.BytesIO(scanned_pdf(small("a")))), io.BytesIO()
        writer.pages[0].rotate(90)
        writer.write(file)
        with scans.pdfium.PdfDocument(file.getvalue()) as document:
            height, width, _ = scans._render(document[0]).shape
        assert (height, width) == (pytest.approx(1240, abs=1), pytest.approx(1754, abs=2))

    def test_photo_is_turned_as_the_camera_says(self) -> None:
        file, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by 90 degrees
        small("Check the oil level").rotate(90, expand=True).save(file, "JPEG", exif=exif)
        assert extract_text("a.JPG", file.getvalue()).text == "Check the oil level"

    @nightly
    def test_table_has_one_line_per_row(self) -> None:
        lines = extract_text("a.png", picture(table_of(TABLE))).text.splitlines()
        assert [line.count(" | ") for line in lines] == [2, 2, 2, 2]
        assert lines[3] == "F1003 | 振动超限 | 7.1 mm/s"

    @nightly
    def test_photographed_nameplate_has_one_line_per_value(self) -> None:
        text = extract_text("a.jpeg", picture(nameplate(), "JPEG")).text
        expected = "\n".join(f"{name}|{value}" for name, value in NAMEPLATE)
        assert text.replace(" ", "") == expected.replace(" ", "")

    def test_transparent_picture_is_read_on_white(self) -> None:
        page = Image.new("RGBA", (900, 200), (0, 0, 0, 0))
        page.alpha_composite(small("Check the oil level").crop((0, 120, 900, 240)).convert("RGBA"))
        assert extract_text("a.png", picture(page)).text == "Check the oil level"


class TestRejection:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"", "damaged"),
            (b"GIF89a\x01\x00\x01\x00", "damaged"),
            (picture(small("Check"))[:900], "damaged"),
            (picture(Image.new("RGB", (200, 200), "white")), "No text was recognised"),
            (picture(Image.new("1", (10_000, 7_000))), "60 megapixels"),
            (picture(Image.new("1", (20_000, 10_000))), "damaged"),
        ],
    )
    def test_picture_is_rejected_if_damaged_blank_or_huge(self, content: bytes, why: str) -> None:
        with pytest.raises(FileUnreadable, match=why):
            extract_text("a.png", content)

    def test_too_many_scanned_pages_are_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scans, "_MAX_SCANNED_PAGES", 1)
        with pytest.raises(FileUnreadable, match=r"has 2 scanned pages.*Split"):
            extract_text("a.pdf", scanned_pdf(small("a"), LAYER, small("b")))

    def test_recognition_over_the_time_limit_is_rejected(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scans, "_MAX_CPU_S", -1.0)
        with pytest.raises(FileUnreadable, match=r"takes more than.*Split"):
            extract_text("a.pdf", scanned_pdf(small("a")))

    def test_large_page_is_rendered_with_fewer_pixels(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scans, "_MAX_PAGE_PIXELS", 1_000_000)
        with scans.pdfium.PdfDocument(scanned_pdf(small("a"))) as document:
            height, width, _ = scans._render(document[0]).shape
        assert 980_000 < height * width <= 1_005_000


class TestMissingExtra:
    @pytest.fixture(autouse=True)
    def without_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(weights, "find_spec", lambda package: None)
        monkeypatch.setattr(scans, "load_models", weights.load_models)

    @pytest.mark.parametrize(
        ("name", "content"), [("a.pdf", scanned_pdf(small("a"))), ("a.png", picture(small("a")))]
    )
    def test_scan_is_rejected_with_the_name_of_the_extra(self, name: str, content: bytes) -> None:
        with pytest.raises(FileUnreadable, match=r"the extra `ocr` is not installed"):
            extract_text(name, content)

    def test_mixed_pdf_is_read_as_far_as_it_has_text(self) -> None:
        assert extract_text("a.pdf", scanned_pdf(LAYER, small("a"))).text.strip() == LAYER


async def test_scanned_pdf_is_ingested_and_found_by_search(firm: Firm) -> None:
    """In the subprocess, so within its limits of memory and time."""
    store = await firm.openai.vector_stores.create(
        name="Scans",
        file_ids=[await firm.sends(scanned_pdf(small(*CHINESE)), "scan.pdf")],
    )
    done = await firm.ready(store.id)
    assert done.file_counts.completed == 1, await firm.openai.vector_stores.files.list(store.id)
    found = await firm.openai.vector_stores.search(store.id, query="故障代码 F30001")
    assert "F30001" in found.data[0].content[0].text
    assert found.data[0].filename == "scan.pdf"
