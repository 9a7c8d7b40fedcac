"""The random sample of names for a reader to judge."""

from pathlib import Path

from tests.legibility.sampling import draw, function_lines, module_line

SOURCE = '''"""Invoices of one account.

More text.
"""


def total(lines, *, currency):
    """Add up lines."""


class Invoice:
    def __init__(self): ...

    async def void(self, reason): ...
'''


def test_function_line_has_parameters_and_first_docstring_line(tmp_path: Path) -> None:
    file = tmp_path / "invoices.py"
    file.write_text(SOURCE, encoding="utf-8")
    assert list(function_lines(file, tmp_path)) == [
        "invoices.py  total(lines, currency)  Add up lines.",
        "invoices.py  Invoice.void(reason)",
    ]
    assert module_line(file, tmp_path) == "invoices.py  Invoices of one account."


def test_sample_of_one_seed_is_reproducible_without_duplicates(tmp_path: Path) -> None:
    (tmp_path / "billing").mkdir()
    for number in range(20):
        (tmp_path / "billing" / f"m{number}.py").write_text(SOURCE, encoding="utf-8")
    first, again, other = (draw(seed, 30, 10, tmp_path) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert (len(set(first.functions)), len(set(first.modules))) == (30, 10)
