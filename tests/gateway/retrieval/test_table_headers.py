"""Headers of tables, and chunks that begin within a table."""

from gateway.retrieval.chunking import split_document
from gateway.retrieval.extractors import Document
from gateway.retrieval.table_headers import find_table_headers, header_at

ROWS = "".join(f"| B-{number} | {number} mm |\n" for number in range(30))
TEXT = f"Intro.\n\n| Part | Size |\n|---|---|\n{ROWS}\nEnd."


def test_header_is_found_for_the_rows_of_its_table_only() -> None:
    headers = find_table_headers(TEXT)
    assert header_at(headers, TEXT.index("| B-7")) == "| Part | Size |\n|---|---|"
    assert header_at(headers, 0) == header_at(headers, TEXT.index("End.")) == ""


def test_chunk_that_begins_within_a_table_has_its_header() -> None:
    chunks = list(split_document(Document(TEXT, ()), 80, 0, lambda text: len(text.split())))
    assert len(chunks) > 2
    assert all(chunk.startswith("| Part | Size |") for chunk in chunks[1:-1])
    assert all(len(chunk.split()) <= 80 for chunk in chunks)
