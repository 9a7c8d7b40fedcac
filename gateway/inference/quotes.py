"""Quoting: what a call would cost, before it is made. The body is that of the call itself.

Owns telling the price and whether the call would be admitted. Prices by the same way as admission
(gateway/inference/admission.py), by the call's tags too; holds nothing and sends nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from billing.metering.allowances import units_left
from billing.metering.leases import credit_left
from billing.money import nano_text
from billing.rating.quantities import WHOLE, Quantities, call_cost, units_by_meter
from gateway.call.errors import BodyTooLarge, ParameterInvalid
from gateway.call.values import Ask, Call, Operation, Principal
from gateway.inference.admission import Admission
from gateway.inference.parsing import Parser
from gateway.inference.retrieval_port import Grounder
from gateway.quota.allowance import cover, covered
from gateway.quota.demand import Demand
from gateway.wire import body as bodies
from infra import ids
from infra.clock import Clock
from infra.database.database import Database

# The field that only this kind of call has, and the address that it would go to.
_KINDS: Mapping[str, tuple[Operation, str]] = {
    "messages": (Operation.CHAT, "/v1/chat/completions"),
    "prompt": (Operation.TEXT_COMPLETION, "/v1/completions"),
    "input": (Operation.EMBEDDINGS, "/v1/embeddings"),
    "instances": (Operation.PREDICTIONS, "/v1/predictions"),
    "training_file": (Operation.ADAPTATION, "/v1/fine_tuning/jobs"),
}


class Quoting:
    """Quotes for one gateway process."""

    def __init__(
        self,
        parser: Parser,
        grounder: Grounder,
        admission: Admission,
        database: Database,
        clock: Clock,
        limit: int,
    ) -> None:
        self._parser = parser
        self._grounder = grounder
        self._admission = admission
        self._database = database
        self._clock = clock
        self._limit = limit

    async def quote(
        self, principal: Principal, body: bytes, headers: Mapping[bytes, bytes]
    ) -> dict[str, Any]:
        """The worst case, with the prompt's tokens counted where the model's tokenizer is here.

        `headers` are those of the call itself that it is priced by. Raises what the call would
        raise for them and its body.
        """
        if len(body) > self._limit:
            raise BodyTooLarge(f"The body is larger than {self._limit} bytes.")
        call = self._call(body, headers)
        ask = self._parser.parse(call, body, principal)
        bounded = self._whole(call, principal, ask)
        counted = await self._admission.counted(call, ask, bounded)
        known, prompt = (0, "bounded") if counted is bounded else (counted.input_tokens, "counted")
        async with self._database.transaction() as session:
            balance = await credit_left(session, principal.account_id)
            quotas = [quota.id for quota in counted.included]
            left = await units_left(session, principal.account_id, quotas) if quotas else {}
        counted = counted.covered(left)
        search = self._search(call, principal, ask)
        return {
            "object": "quote",
            "model": ask.model.id,
            "endpoint": call.path,
            "currency": principal.currency,
            "input_tokens": counted.input_tokens,
            "input_tokens_are": prompt,
            "max_output_tokens": counted.output_tokens,
            **{meter: counted.whole.of(meter) for meter in WHOLE},
            "max_cost": nano_text(counted.cost + search),
            "min_cost": nano_text(_least_cost(known, counted, left)),
            **({} if ask.searching is None else {"file_search_max_cost": nano_text(search)}),
            "included": dict(covered(counted.cover)),
            "balance": None if balance is None else nano_text(max(0, balance)),
            "price_nano_per_unit": dict(counted.prices),
        }

    def _search(self, call: Call, principal: Principal, ask: Ask) -> int:
        """What looking for passages costs at most, which is a call of its own."""
        if ask.searching is None:
            return 0
        embedding = replace(call, operation=Operation.EMBEDDINGS)
        searching = self._grounder.search_of(ask)
        return self._admission.demand(embedding, principal, searching).cost

    def _whole(self, call: Call, principal: Principal, ask: Ask) -> Demand:
        """The demand of the whole answer, of a stream too."""
        demand = self._admission.demand(call, principal, ask)
        return replace(demand, output_tokens=ask.extent.output_each * ask.extent.choices)

    def _call(self, body: bytes, headers: Mapping[bytes, bytes]) -> Call:
        fields = bodies.fields(body)
        kinds = [kind for field, kind in _KINDS.items() if field in fields]
        if len(kinds) != 1:
            raise ParameterInvalid(
                "Send the body of the call: it has `messages`, `prompt`, `input` or `instances`."
            )
        operation, path = kinds[0]
        return Call(
            request_id=ids.new_id(),
            operation=operation,
            path=path,
            credentials=None,
            headers=headers,
            model_in_path=None,
            started_at=self._clock.now(),
            started=self._clock.monotonic(),
        )


def _least_cost(known: int, demand: Demand, left: Mapping[str, int]) -> int:
    """What an answer of no tokens costs. A prompt that was not counted may be next to nothing,
    and one that was may come from the engine's cache."""

    def cost(of: Quantities) -> int:
        taken = cover(units_by_meter(of, demand.prices), demand.included, left)
        return call_cost(of, demand.prices, covered(taken))

    fresh = replace(demand.whole, input_tokens=known)
    return min(cost(fresh), cost(replace(fresh, cached_input_tokens=known)))
