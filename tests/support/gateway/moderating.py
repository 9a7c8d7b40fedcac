"""A catalog with a moderation model and a guard model, which an upstream serves."""

from dataclasses import replace
from types import MappingProxyType

from models.catalog import EXTERNAL, Catalog, GuardFormat, Task, Upstream, Weights
from tests.support.builders import CATALOG, EMBEDDING

MODERATOR, GUARD = "moderator", "guard"
_EXTERNAL = replace(
    CATALOG.models[EMBEDDING], weights=Weights(EXTERNAL, ""), task=Task.MODERATION,
    retrieval=None, prices={"CNY": {"rows": 1_000_000}},
)  # fmt: skip
MODELS = {
    MODERATOR: replace(_EXTERNAL, id=MODERATOR),
    GUARD: replace(
        _EXTERNAL, id=GUARD, guard_format=GuardFormat.LLAMA_GUARD, context_length=8192,
        prices={"CNY": {"input_tokens": 1_000, "output_tokens": 2_000}},
    ),
}  # fmt: skip


def moderating(url: str) -> Catalog:
    """The catalog; the upstream knows the models by other names."""
    names = MappingProxyType({MODERATOR: "their-moderation", GUARD: "their-guard"})
    upstream = Upstream("safety", url, names)
    return Catalog({**CATALOG.models, **MODELS}, CATALOG.retired, upstreams=(upstream,))
