"""Texts of invoice documents in English and Chinese, looked up by key."""

from collections.abc import Mapping

LOCALES = ("en", "zh")

# By key: English, Chinese.
_TEXTS: Mapping[str, tuple[str, str]] = {
    # Lines, by kind.
    "fixed_fee": ("{plan}: fixed fee", "{plan}：固定费用"),
    "unused_fee": ("{plan}: unused fixed fee", "{plan}：退还未使用的固定费用"),
    "usage": ("{model}: {meter}", "{model}：{meter}"),
    "late_usage": (
        "{model}: {meter}, of an earlier period",
        "{model}：{meter}（以前周期的迟到用量）",
    ),
    "discount": ("{plan}: {percent}% discount", "{plan}：优惠 {percent}%"),
    "model_discount": ("{model}: {percent}% discount", "{model}：优惠 {percent}%"),
    "minimum": ("{plan}: top-up to the minimum commitment", "{plan}：补足本期最低消费"),
    "outcome": ("{plan}: outcomes", "{plan}：效果付费"),
    # Models at a service tier.
    "priority": ("{model}, priority", "{model}（优先）"),
    "flex": ("{model}, flex", "{model}（弹性）"),
    "all_models": ("all models", "所有模型"),
    # Meters.
    "input_tokens": ("input tokens", "输入 token"),
    "cached_input_tokens": ("cached input tokens", "缓存输入 token"),
    "output_tokens": ("output tokens", "输出 token"),
    "rows": ("inference rows", "推理行数（行）"),
    "images": ("inference images", "推理图像数（张）"),
    "adaptation_seconds": ("fine-tuning seconds", "微调时长（秒）"),
    # Prices.
    "per_unit": ("{price} per {units}", "{price}/{units}"),
    "package": ("{price} per {units}, rounded up", "{price}/{units}（不足按整包计）"),
    "graduated": (
        "Per {units}, each unit at the price of its tier: {tiers}",
        "阶梯计价，每{units}：{tiers}",
    ),
    "volume": (
        "Per {units}, all units at the price of the tier reached: {tiers}",
        "按总量所达档位计价，每{units}：{tiers}",
    ),
    "tier": ("{price} up to {up_to}; ", "不超过 {up_to}：{price}；"),
    "last_tier": ("{price} above", "以上：{price}"),
    "flat": (" plus {flat} once", "（另加一次性 {flat}）"),
    "per_row": ("row", "行"),
    "per_image": ("image", "张"),
    "per_outcome": ("outcome", "次"),
    "per_minute": ("minute", "分钟"),
    "per_million_tokens": ("1M tokens", "百万 token"),
    "row_count": ("{units} rows", "{units} 行"),
    "image_count": ("{units} images", "{units} 张"),
    "outcome_count": ("{units} outcomes", "{units} 次"),
    "second_count": ("{units} s", "{units} 秒"),
    "token_count": ("{units} tokens", "{units} token"),
    # Tax.
    "standard": ("Tax rate: {percent}%.", "税率 {percent}%。"),
    "untaxed": ("No tax is charged.", "本账单不含税费。"),
    "reverse_charge": (
        "Reverse charge: the recipient accounts for the tax.",
        "反向征税：税款由购买方自行申报缴纳。",
    ),
    "exempt": ("Exempt from tax.", "免税。"),
    "inclusive": ("Line amounts include tax.", "各行金额含税。"),
    # Terms of payment, by collection method.
    "manual": (
        "Please transfer {owed} by {due} and quote {number}.",
        "请于 {due} 前转账支付 {owed}，并注明账单号 {number}。",
    ),
    "charge": (
        "{owed} will be charged to your payment method on file.",
        "{owed} 将从已登记的付款方式中扣款。",
    ),
    "invoice": (
        "Please pay {owed} by {due} with the payment link sent to you.",
        "请于 {due} 前通过已发送的链接支付 {owed}。",
    ),
    "nothing_owed": ("No payment is due.", "无需付款。"),
    "not_final": (
        "Not final: usage may still be added.",
        "尚未正式出账：用量可能继续增加。",
    ),
    # Which calls are billed; docs/metering.md explains it in detail.
    "rule": (
        "Billed: calls with a complete response and, if the client disconnected, the usage until "
        "then; not billed: calls that were rejected, failed because of a platform error, were "
        "replayed from an Idempotency-Key or whose usage is unknown.",
        "计费范围：响应完整的调用，以及客户端断开时截至当时的用量；"
        "请求被拒、因平台故障失败、凭 Idempotency-Key 重放或用量未知的调用不计费。",
    ),
    # States.
    "preview": ("Preview", "预览"),
    "draft": ("Draft", "草稿"),
    "open": ("Open", "待付款"),
    "paid": ("Paid", "已付款"),
    "void": ("Void", "已作废"),
    "uncollectible": ("Uncollectible", "无法收回"),
    # Labels.
    "title": ("Invoice", "账单"),
    "number": ("Number", "账单号"),
    "state": ("Status", "状态"),
    "issued": ("Issued", "开具日期"),
    "due": ("Due", "到期日"),
    "period": ("Billing period", "计费周期"),
    "seller": ("From", "销售方"),
    "buyer": ("To", "购买方"),
    "tax_number": ("Tax number", "税号"),
    "description": ("Description", "项目"),
    "quantity": ("Quantity", "数量"),
    "included": ("Included", "套餐内"),
    "price": ("Unit price", "单价"),
    "amount": ("Amount", "金额"),
    "net": ("Subtotal, excluding tax", "不含税合计"),
    "tax": ("Tax", "税额"),
    "total": ("Total, including tax", "价税合计"),
    "settled": ("Paid", "已付金额"),
    "credited": ("Credited", "已冲减金额"),
    "written_off": ("Written off", "已核销金额"),
    "owed": ("Amount due", "应付金额"),
    "credit_note": (
        "Credit note {number} of {day}: {reason}",
        "贷记单 {number}（{day}）：{reason}",
    ),
    "tags": ("Usage by tag", "按标签分摊的用量"),
    "tags_are": (
        "Usage lines by tag, before discounts, fixed fees and any tax added to the lines. "
        "Highest amount first.",
        "按调用标签分摊的用量，未计优惠、固定费用及另加的税额；按金额从高到低排列。",
    ),
    "usage_net": ("Usage, excluding tax", "用量合计（不含税）"),
    "usage_gross": ("Usage, including tax", "用量合计（含税）"),
    "usage_sum": ("Usage", "用量合计"),
    "other_values": ("{count} other values", "其他 {count} 个取值"),
    "untagged": ("without this tag", "无此标签"),
    "page": ("Page {page} of {pages}", "第 {page} 页，共 {pages} 页"),
}


def translate(locale: str, key: str, **values: object) -> str:
    """Return the text of a key with values inserted; `locale` is one of LOCALES."""
    return _TEXTS[key][LOCALES.index(locale)].format(**values)
