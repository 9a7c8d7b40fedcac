"""The reading order of recognised lines: rows, table cells, columns and headings."""

from gateway.retrieval.ocr.reading_order import PlacedText, join_in_order


def line(text: str, left: float, top: float, width: float = 400) -> PlacedText:
    return PlacedText(text, left, top, left + width, top + 20)


class TestReadingOrder:
    def test_page_without_lines_has_no_text(self) -> None:
        assert join_in_order([]) == ""

    def test_lines_are_ordered_from_top_to_bottom(self) -> None:
        assert join_in_order([line("c", 5, 90), line("a", 0, 10), line("b", 0, 50)]) == "a\nb\nc"

    def test_parts_of_a_row_are_joined_by_the_width_of_their_gap(self) -> None:
        lines = [line("kW", 175, 3, 20), line("11", 150, 0, 20), line("功率", 0, 2, 60)]
        assert join_in_order(lines) == "功率 | 11 kW"

    def test_table_is_read_by_rows(self) -> None:
        cells = [line(f"{r}{c}", c * 300, r * 40, 100) for c in range(2) for r in range(6)]
        assert join_in_order(cells).splitlines()[:2] == ["00 | 01", "10 | 11"]

    def test_columns_are_read_one_after_the_other_below_their_heading(self) -> None:
        lines = [line("title", 0, 0, 850)]
        lines += [line(f"{side}{n}", left, 50 + n * 30) for side, left in (("r", 450), ("l", 0))
                  for n in range(5)]  # fmt: skip
        lines.append(line("foot", 0, 300, 850))
        expected = "title l0 l1 l2 l3 l4 r0 r1 r2 r3 r4 foot"
        assert join_in_order(lines).split() == expected.split()
