"""Packages that are imported when they are first used.

For packages that take tenths of a second to import and that most commands never use: Alembic,
SciPy, Stripe's client. Type checkers see a plain import:

    if TYPE_CHECKING:
        import stripe
    else:
        stripe = LazyModule("stripe")
"""

from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """Stands for a package; imports it, or a module of it, when that is asked for.

    Raises ImportError then where it is not installed. Private names raise AttributeError and import
    nothing: tools that inspect what a module contains, as pytest does, ask for them.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        module = import_module(self.__name__)
        try:
            return getattr(module, name)
        except AttributeError:
            return import_module(f"{self.__name__}.{name}")
