"""Benchmark of the usage writer: the row of its table."""

from load.bench.usage_writer.__main__ import render
from load.bench.usage_writer.block import BlockOrder, BlockResult


def test_row_has_cpu_of_least_disturbed_block_and_medians_of_the_rest() -> None:
    blocks = [
        BlockResult(100, 90.0, 50.0, 1.0, 4.0, 0.2, 600.0),
        BlockResult(120, 80.0, 60.0, 2.0, 6.0, 0.4, 700.0),
        BlockResult(110, 99.0, 55.0, 3.0, 5.0, 0.3, 650.0),
    ]
    row = render("/checkouts/before", BlockOrder(16, 2.0, 1.0), blocks)
    assert row == "| before | 16 | 2 | 80.0 | 50.0 | 2.00 | 5.00 | 0.300 | 650 | 110 |"
