"""What follows an answer of a fine-tuned model: its inputs are counted, a candidate answers too."""

from gateway.call.values import Call, CallResult
from gateway.inference.stages import CallState, Stages


def follow_variant(stages: Stages, call: Call, state: CallState, result: CallResult) -> None:
    """Count the binned inputs of a fine-tuned model that answered; queue its shadow call."""
    request, admitted = state.request, state.admitted
    if request is None or request.variant_id is None or admitted is None:
        return
    if result.input_bins is not None:
        account_id = admitted.principal.account_id
        stages.input_counter.add(account_id, request.variant_id, result.input_bins)
    if result.status == 200 and not result.stream_started:
        stages.shadow_calls.enqueue(call, admitted, result)
