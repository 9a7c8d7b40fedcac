"""Return to the operating system what loading a model freed, and keep what computing frees.

The C library keeps freed memory between allocations that are still in use. Copies of the tokenizer
of Gemma leave 250 MB of it. Large blocks go back at once when they are freed: the intermediate
results of each layer, of which the next layer needs as much. The kernel then clears each of these
pages again, which took a quarter of the processor time of an engine that reads prompts.
"""

import ctypes

# Parameters of glibc's mallopt, from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 1 << 30
_UNUSED_KEPT = (1 << 31) - 1


def return_freed_memory() -> None:
    """Return freed memory; does nothing with C libraries other than glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_freed_memory() -> None:
    """Keep what is freed from now on for allocations to come: blocks of up to 1 GiB, 2 GiB unused.

    Does nothing with C libraries other than glibc.
    """
    library = ctypes.CDLL(None)
    # musl has no mallopt; only glibc's has these parameters, as its malloc_trim.
    if hasattr(library, "mallopt") and hasattr(library, "malloc_trim"):
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_TRIM_THRESHOLD, _UNUSED_KEPT)
