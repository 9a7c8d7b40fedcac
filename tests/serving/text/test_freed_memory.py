"""Memory that a process freed between allocations goes back to the operating system."""

import ctypes
import platform
import subprocess
import sys

import psutil
import pytest

from serving.text.freed_memory import return_freed_memory

BLOCK_BYTES, BLOCKS = 64 << 10, 512

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def test_freed_blocks_below_a_used_one_are_returned() -> None:
    """The C library itself returns only what is free at the end of its memory."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    blocks = [ctypes.c_void_p(libc.malloc(BLOCK_BYTES)) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK_BYTES)
    for block in blocks[:-1]:
        libc.free(block)
    before = psutil.Process().memory_info().rss
    return_freed_memory()
    assert before - psutil.Process().memory_info().rss > BLOCK_BYTES * BLOCKS // 2
    libc.free(blocks[-1])


# The faults of 20 blocks of 64 MiB, one after the other, in a process of its own: what is set
# holds for the whole process.
COUNT_FAULTS = """
import ctypes, resource, sys
from serving.text.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block = ctypes.c_void_p(libc.malloc(64 << 20))
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    command = [sys.executable, "-c", COUNT_FAULTS, mode]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.usefixtures("processes")
def test_kept_blocks_are_cleared_by_the_kernel_only_once() -> None:
    """Without it each block costs its pages again; huge pages only make both numbers smaller."""
    assert page_faults("kept") < page_faults("returned") / 10
