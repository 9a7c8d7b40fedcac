"""A catalog with a moderation model and a guard model, which an upstream serves."""

from dataclasses import replace
from types import MappingProxyType

from models.catalog import EXTERNAL, Catalog, GuardFormat, Task, Upstream, Weights
from tests.support.builders import CATALOG, EMBEDDING
from tests.support.fakes.guard_model import LABELLING

MODERATOR, GUARD, QWEN_GUARD = "moderator", "guard", "qwen-guard"
_EXTERNAL = replace(
    CATALOG.models[EMBEDDING], weights=Weights(EXTERNAL, ""), task=Task.MODERATION,
    retrieval=None, prices={"CNY": {"rows": 1_000_000}},
)  # fmt: skip
MODELS = {
    MODERATOR: replace(_EXTERNAL, id=MODERATOR),
    GUARD: replace(
        _EXTERNAL,
        id=GUARD,
        guard_format=GuardFormat.LLAMA_GUARD,
        context_length=8192,
        prices={"CNY": {"input_tokens": 1_000, "output_tokens": 2_000}},
    ),
}
MODELS[QWEN_GUARD] = replace(
    MODELS[GUARD], id=QWEN_GUARD, guard_format=GuardFormat.QWEN_GUARD, context_length=32_768
)  # fmt: skip


def moderating(url: str) -> Catalog:
    """The catalog; the upstream knows the models by other names."""
    theirs = {MODERATOR: "their-moderation", GUARD: "their-guard", QWEN_GUARD: LABELLING}
    names = MappingProxyType(theirs)
    upstream = Upstream("safety", url, names)
    return Catalog({**CATALOG.models, **MODELS}, CATALOG.retired, upstreams=(upstream,))
