"""Memory that a process freed between allocations goes back to the operating system."""

import ctypes
import platform

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
