"""An endpoint: its method and path, and the SDK type that validates its parameters.

What Stripe would take and the endpoint here does not model is refused, so that no test passes
because the stand-in looked away.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.fakes.stripe.account import Account, Obj
from tests.support.fakes.stripe.calls import Call
from tests.support.fakes.stripe.forms import Form
from tests.support.fakes.stripe.refusals import not_modelled
from tests.support.fakes.stripe.resources.closing import validate

Handler = Callable[[Account, Call], Obj]
PAGE = "created ending_before limit starting_after "


@dataclass(frozen=True)
class Route:
    """One endpoint."""

    method: str
    path: str
    handler: Handler
    params: type
    models: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def match(self, path: str) -> str | None:
        """The id in the path, empty if it has none; None for another path."""
        pattern = re.escape(self.path).replace(r"\{id\}", r"(?P<id>[^/]+)")
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict().get("id", "")

    def parameters(self, form: Form) -> dict[str, Any]:
        """The typed form values. Raises `Refusal` for values that Stripe or the fake rejects."""
        values = validate(self.params, form)
        self._check(values, "")
        return values

    def _check(self, value: Any, within: str) -> None:
        """Check implemented parameters: a dotted name covers one member, a plain name all of it."""
        modelled = {"expand", *self.models.split()}
        for each in value if isinstance(value, list) else [value]:
            for name, inner in each.items():
                full = f"{within}{name}"
                if full not in modelled:
                    if not any(known.startswith(f"{full}.") for known in modelled):
                        raise not_modelled(full, self.name)
                    self._check(inner, f"{full}.")
