"""Dataclasses of the hot path, which the type checker holds to be frozen.

A frozen dataclass sets each field through `object.__setattr__`, at 20 times the cost of an
assignment; a call creates about a hundred such fields.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["frozen_dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass as frozen_dataclass
else:

    def frozen_dataclass(*, frozen: bool, slots: bool) -> Any:
        """Return a decorator like `dataclass`, whose class does not check assignments."""
        return dataclass(slots=slots, unsafe_hash=frozen)
