"""Stop signals as an exception, so that a start-up that takes a minute can be interrupted."""

import signal
from types import FrameType


def raise_on_stop_signals(exception: type[BaseException]) -> None:
    """Raise `exception` in the main thread on SIGTERM and SIGINT."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise exception

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
