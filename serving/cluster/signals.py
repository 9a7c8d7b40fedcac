"""Being told to stop while something blocks.

Owns turning SIGTERM and SIGINT into an exception in the main thread, so that a start which takes a
minute ends at once and cleans up on the way out.
"""

import signal
from types import FrameType


def stop_with(exception: type[BaseException]) -> None:
    """Raise `exception` in the main thread on SIGTERM and SIGINT."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise exception

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
