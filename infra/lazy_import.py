"""Lazy imports of packages on first use.

For packages that are slow to import and unused by most commands: Alembic, SciPy, Stripe's client.
Type checkers see a normal import:

    if TYPE_CHECKING:
        import stripe
    else:
        stripe = LazyModule("stripe")
"""

from importlib import import_module
from types import ModuleType
from typing import Any


class LazyModule(ModuleType):
    """A proxy for a package that imports it, or a submodule, on first attribute access.

    Raises ImportError then if it is not installed. Private names raise AttributeError without an
    import, because tools such as pytest inspect modules for them.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        module = import_module(self.__name__)
        try:
            return getattr(module, name)
        except AttributeError:
            return import_module(f"{self.__name__}.{name}")
