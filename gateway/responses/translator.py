"""Validate requests of `/v1/responses`, add the conversation before them, convert them to chats."""

from collections.abc import Sequence

from gateway.call.values import Call, Principal
from gateway.inference.translation import OpenedRequest
from gateway.responses.call import ConvertedRequest, KeptResponse, ResponseServices
from gateway.responses.store import ResponseOwner
from gateway.wire.format import DecodedChat
from gateway.wire.responses.chat_form import chat_form
from gateway.wire.responses.format import ResponseEncoder
from gateway.wire.responses.items import Item, decode_items
from gateway.wire.responses.output import ResponseRef
from gateway.wire.responses.request import ResponseRequest, parse_response_request


class ResponseOpener:
    """Opens the calls of `/v1/responses` of one gateway process."""

    def __init__(self, services: ResponseServices) -> None:
        self._services = services

    async def open(self, call: Call, principal: Principal, body: bytes) -> OpenedRequest:
        """Validate and convert a request, with the items of the response that it continues.

        Raises BodyNotJson, ParameterInvalid, ParameterUnknown, ParameterUnsupported,
        PreviousResponseNotFound, TooManyResponses, DatabaseUnavailable.
        """
        request = parse_response_request(body)
        earlier, own = await self._load_items(principal, request)
        items = [*earlier, *own]
        if request.store:
            await self._services.store.require_place(principal.account_id)
        if request.store or earlier:
            self._services.store.require_size(items)
        chat = chat_form(request, items, len(earlier))
        owner = ResponseOwner(principal.account_id, principal.key_id)
        encoder = ResponseEncoder(ResponseRef(call.request_id, call.started_at), chat.options)
        converted = ConvertedRequest(body, request, items, chat)
        keeper = KeptResponse(self._services, call, owner, converted, encoder)
        return OpenedRequest(DecodedChat(chat.body, bool(request.stream), encoder), keeper)

    async def _load_items(
        self, principal: Principal, request: ResponseRequest
    ) -> tuple[Sequence[Item], Sequence[Item]]:
        """Return the items of earlier responses and the request's own."""
        store, account_id = self._services.store, principal.account_id
        own = await store.resolve_references(account_id, decode_items(request.input))
        previous = request.previous_response_id
        if previous is None:
            return (), own
        return await store.load_conversation(account_id, previous), own
