"""Suggested fixes for rejected and failed calls: one text per error code, in English and Chinese.

Shown by the API, the dashboard, CSV files and `maas usage`. docs/errors.md has the same texts; a
test compares them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SuggestedFix:
    """A suggested fix in English and Chinese."""

    en: str
    zh: str

    def text(self, language: str) -> str:
        """Return the text in `zh` or, for any other language, in English."""
        return self.zh if language == "zh" else self.en


_REQUEST = {
    "invalid_json": SuggestedFix(
        "correct the JSON of the request body", "请求体不是有效的 JSON，请修正"
    ),
    "invalid_value": SuggestedFix(
        "correct the field that `param` names", "修正 `param` 所指的字段"
    ),
    "unknown_parameter": SuggestedFix(
        "the endpoint has no field that `param` names: remove it",
        "该接口没有 `param` 所指的字段，请删除",
    ),
    "unsupported_parameter": SuggestedFix(
        "this endpoint does not support the field that `param` names: remove it",
        "此处不支持 `param` 所指的字段，请删除",
    ),
    "invalid_request": SuggestedFix(
        "the model rejected the request: check its fields", "模型拒绝了该请求，请检查各字段"
    ),
    "context_length_exceeded": SuggestedFix(
        "shorten the prompt or ask for fewer tokens", "缩短提示词，或减小 `max_tokens`"
    ),
    "model_not_supported": SuggestedFix(
        "the model belongs to another endpoint: use that endpoint",
        "该模型不适用于此接口，请换用对应接口",
    ),
    "model_not_priced": SuggestedFix(
        "the model has no price in the account's currency: contact the operator",
        "该模型没有账户币种的价格，请联系平台运营方",
    ),
    "max_cost_exceeded": SuggestedFix(
        "lower `max_tokens` or raise `X-Max-Cost`: the call can cost more",
        "费用可能超过 `X-Max-Cost`：减小 `max_tokens` 或提高该上限",
    ),
    "idempotency_key_invalid": SuggestedFix(
        "send an `Idempotency-Key` of 1 to 255 printable ASCII characters",
        "`Idempotency-Key` 须为 1–255 个可打印的 ASCII 字符",
    ),
    "model_not_found": SuggestedFix(
        "`GET /v1/models` lists the models", "通过 `GET /v1/models` 查看可用模型"
    ),
    "unsupported_endpoint": SuggestedFix(
        "`/docs` lists the endpoints", "通过 `/docs` 查看全部接口"
    ),
    "method_not_allowed": SuggestedFix(
        "use the method listed in `/docs`", "请使用 `/docs` 所列的请求方法"
    ),
    "request_timeout": SuggestedFix(
        "send the request again: its headers or body did not arrive in time",
        "请求头或请求体未及时到达，请重新发送",
    ),
    "idempotency_key_in_use": SuggestedFix(
        "the first call with this key is still running: try again shortly",
        "使用该幂等键的首次调用仍在进行，请稍后再试",
    ),
    "idempotent_answer_not_kept": SuggestedFix(
        "the call already succeeded; its response of more than 4 MiB was not stored",
        "该调用此前已成功，但响应超过 4 MiB，未予保存",
    ),
    "request_too_large": SuggestedFix("send a smaller request", "请减少单次请求的数据量"),
    "unsupported_encoding": SuggestedFix("send the body uncompressed", "请不要压缩请求体"),
    "idempotency_key_reused": SuggestedFix(
        "use a new `Idempotency-Key`: this one belongs to another request",
        "该幂等键已用于其他请求，请换一个",
    ),
    "vector_store_not_found": SuggestedFix(
        "`GET /v1/vector_stores` lists the account's vector stores",
        "通过 `/v1/vector_stores` 查看本账户的向量库",
    ),
    "vector_store_expired": SuggestedFix(
        "the store was unused for longer than its `expires_after`: create a new one",
        "向量库已超过 `expires_after` 期限未使用，请新建",
    ),
    "embedding_model_changed": SuggestedFix(
        "the store's embedding model is no longer served: add its files to a new store",
        "该向量库所用的向量模型已停止服务，请把文件放入新的向量库",
    ),
}
_ACCESS = {
    "missing_api_key": SuggestedFix(
        "send `Authorization: Bearer <key>`", "请发送 `Authorization: Bearer <密钥>`"
    ),
    "invalid_api_key": SuggestedFix(
        "check that the key was copied completely", "请检查密钥是否复制完整"
    ),
    "api_key_revoked": SuggestedFix("use another key", "密钥已吊销，请换用其他密钥"),
    "api_key_expired": SuggestedFix(
        "use the key that replaced it", "密钥已过期，请使用轮换后的新密钥"
    ),
    "api_key_network": SuggestedFix(
        "the key is limited to other networks: call from an allowed network, or change "
        "the allowed networks in the dashboard",
        "该密钥限定了网络：请从允许的网络调用，或在控制台放宽",
    ),
    "model_not_allowed": SuggestedFix(
        "the key is limited to other models: use another key, or change its scope in the dashboard",
        "该密钥无权调用此模型：请换用其他密钥，或在控制台放宽范围",
    ),
    "service_tier_not_available": SuggestedFix(
        "the plan does not offer this `service_tier` for the model, or the key does not "
        "allow it: remove the field, or contact the operator",
        "套餐未提供该模型的此 `service_tier`，或密钥无权使用：请删除该字段，或联系平台运营方",
    ),
    "credit_exhausted": SuggestedFix(
        "the account's credit and included units are used up: top up, or contact the "
        "operator (`x-should-retry: false`)",
        "账户可用额度与套餐内用量均已用完：请充值或联系平台运营方（`x-should-retry: false`）",
    ),
    "account_suspended": SuggestedFix(
        "the account is suspended because of an overdue invoice: pay it, or contact the "
        "operator (`x-should-retry: false`)",
        "账户因账单逾期已停用：请支付账单或联系平台运营方（`x-should-retry: false`）",
    ),
    "budget_exhausted": SuggestedFix(
        "raise the key's monthly budget or wait until next month (`x-should-retry: false`)",
        "该密钥本月预算已用完（`x-should-retry: false`）",
    ),
    "credit_reserved": SuggestedFix(
        "running calls reserve the remaining credit or included units: try again after "
        "`retry-after`",
        "剩余额度已被进行中的调用预留：请在 `retry-after` 之后重试",
    ),
    "rate_limit_exceeded": SuggestedFix(
        "too many requests or tokens per minute: try again after `retry-after`",
        "每分钟请求数或 token 数超限：请在 `retry-after` 之后重试",
    ),
    "call_exceeds_rate_limit": SuggestedFix(
        "the call alone exceeds the limit per minute: make it smaller",
        "单次调用已超过每分钟上限，请减小请求",
    ),
    "concurrent_streams_exceeded": SuggestedFix(
        "the limit of concurrent streams is reached: wait for one to end",
        "并发流数已达上限，请等待其中一个结束",
    ),
}
_SERVICE = {
    "internal_error": SuggestedFix(
        "platform error: try again, and report the `x-request-id`",
        "平台故障：请重试，并告知我们 `x-request-id`",
    ),
    "model_failed": SuggestedFix("not billed: try again", "不计费：请重试"),
    "service_unavailable": SuggestedFix(
        "not billed: the model is not served at present", "不计费：该模型暂未提供服务"
    ),
    "model_unavailable": SuggestedFix("not billed: try again shortly", "不计费：请稍后重试"),
    "model_overloaded": SuggestedFix("not billed: try again shortly", "不计费：请稍后重试"),
    "metering_unavailable": SuggestedFix("not billed: try again shortly", "不计费：请稍后重试"),
    "database_unavailable": SuggestedFix("not billed: try again shortly", "不计费：请稍后重试"),
    "model_timeout": SuggestedFix(
        "not billed: try again, or lower `max_tokens`", "不计费：请重试，或减小 `max_tokens`"
    ),
}
# Error codes that occur in usage rows only, never in API responses.
USAGE_ROW_FIXES: Mapping[str, SuggestedFix] = MappingProxyType(
    {
        "client_closed_request": SuggestedFix(
            "raise the client's timeout or use a stream: the client closed the connection",
            "客户端断开了连接：请延长超时时间，或使用流式",
        ),
        "cut_at_limit": SuggestedFix(
            "the response was cut at a limit: top up, or raise the budget or `X-Max-Cost`",
            "回答因达到限额而截断：请充值，或提高预算或 `X-Max-Cost`",
        ),
        "hold_exceeded": SuggestedFix(
            "no action needed: usage beyond the reservation is not billed",
            "无需处理：超出预留的部分不计费",
        ),
        "gateway_process_ended": SuggestedFix(
            "not billed: send the call again", "不计费：请重新发送该调用"
        ),
    }
)
FIXES_BY_ERROR_CODE: Mapping[str, SuggestedFix] = MappingProxyType(
    {**_REQUEST, **_ACCESS, **_SERVICE}
)
# Error codes by category, for the dashboard's filter.
ERROR_CODE_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "request": tuple(_REQUEST),
        "access": tuple(_ACCESS),
        "service": tuple(_SERVICE),
        "row": tuple(USAGE_ROW_FIXES),
    }
)
# Filter value that matches calls with any error code.
ANY_ERROR = "any"
_CODE = re.compile(r"[a-z0-9_]{1,64}")
_OTHER_4XX = SuggestedFix(
    "correct the request as `param` and the code say", "请按 `param` 与错误码修正请求"
)
_OTHER_5XX = SuggestedFix("not billed: try again shortly", "不计费：请稍后重试")


def find_suggested_fix(code: str | None, status: int) -> SuggestedFix | None:
    """Return the suggested fix for an error code and HTTP status; None if there is no error."""
    if code is None:
        return None
    return (
        FIXES_BY_ERROR_CODE.get(code)
        or USAGE_ROW_FIXES.get(code)
        or (_OTHER_5XX if status >= 500 else _OTHER_4XX)
    )


def is_error_code(text: str) -> bool:
    """Return whether the text has the format of an error code; codes without a fix are valid."""
    return _CODE.fullmatch(text) is not None
