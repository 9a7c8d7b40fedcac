"""What a request lets the language model ask beside specialists, and the requests that ask it.

Other language models are asked only if the tool names them, documents are searched again only if
`file_search` stands beside the tool. A model that is asked gets one question: no tools, no
passages, nothing of the conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.call.errors import ModelNotAllowed, ModelNotPriced
from gateway.call.hosted_tools import HostedTools
from gateway.call.values import ParsedRequest, Principal, ResolvedModel
from gateway.collaboration.helpers import Helper, HelperKind
from gateway.inference.endpoints.chat import CHAT
from gateway.inference.parsing import Parser, variant_tags
from gateway.wire.body import encode_body
from gateway.wire.chat import build_chat_request, parse_chat_request
from models.catalog import Task

# The longest answer of a model that is asked, in tokens.
MAX_ANSWER_TOKENS = 512
_EMPTY = "."


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A language model that may be asked: the helper, and the model behind it."""

    helper: Helper
    resolved: ResolvedModel


class HelperFinder:
    """Finds the helpers of requests, for one gateway process."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def is_language_model(self, principal: Principal, name: str) -> bool:
        """Return whether a name is that of a language model, shared or the account's own."""
        variant = principal.variants.get(name)
        model = self._parser.catalog.find(name if variant is None else variant.base_model_id)
        return model is not None and model.task is Task.TEXT_GENERATION

    def find_models(self, principal: Principal, hosted: HostedTools) -> tuple[AskedModel, ...]:
        """Return the language models that the tool names.

        Raises ModelNotFound, ModelNotInstalled, ModelNotAllowed and ModelNotPriced.
        """
        names = [name for name in hosted.models if self.is_language_model(principal, name)]
        return tuple(self._find_model(principal, name) for name in names)

    def _find_model(self, principal: Principal, name: str) -> AskedModel:
        """Return a language model that the key may call. Raises as `find_models`."""
        resolved = self._parser.resolve_model_of_field(name, CHAT, principal, "tools")
        require_priced(principal, resolved, name)
        helper = Helper(HelperKind.MODEL, resolved.public_name, resolved.model.description)
        return AskedModel(helper, resolved)


def require_priced(principal: Principal, resolved: ResolvedModel, name: str) -> None:
    """Raise ModelNotAllowed or ModelNotPriced for a model that the key cannot call."""
    model = resolved.model
    if model.id in principal.model_prices:
        return
    if principal.allowed_models is not None and model.id not in principal.allowed_models:
        raise ModelNotAllowed(
            f"This API key is not allowed to call the model {name[:100]!r}.", param="tools"
        )
    raise ModelNotPriced(
        f"The model {name[:100]!r} has no price in {principal.currency}.", param="tools"
    )


def question_request(
    asked: AskedModel, question: str, tags: Mapping[str, str] | None, principal: Principal
) -> ParsedRequest:
    """Return the chat that asks a language model one question; empty to price it."""
    resolved = asked.resolved
    body = encode_body(
        {
            "model": resolved.public_name,
            "messages": [{"role": "user", "content": question or _EMPTY}],
            "max_tokens": MAX_ANSWER_TOKENS,
        }
    )
    request = build_chat_request(parse_chat_request(body), resolved, CHAT.path)
    own_tags = variant_tags(resolved) if resolved.public_name in principal.variants else {}
    return replace(
        request,
        retrieval=None,  # an assistant would search the handbook
        with_max_tokens=None,
        tags={**(tags or {}), **own_tags} or None,
    )
