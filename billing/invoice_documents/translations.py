"""Texts of invoice documents in English and Chinese, looked up by key."""

from collections.abc import Mapping

LOCALES = ("en", "zh")

# By key: English, Chinese.
_TEXTS: Mapping[str, tuple[str, str]] = {
    # Lines, by kind.
    "fixed_fee": ("{plan}: fixed fee", "{plan}：固定费用"),
    "unused_fee": ("{plan}: unused part of the fixed fee", "{plan}：退还未使用的固定费用"),
    "usage": ("{model}: {meter}", "{model}：{meter}"),
    "late_usage": (
        "{model}: {meter}, of an earlier period",
        "{model}：{meter}（属于以前账期）",
    ),
    "discount": ("{plan}: {percent} % discount", "{plan}：优惠 {percent}%"),
    "model_discount": ("{model}: {percent} % discount", "{model}：优惠 {percent}%"),
    "minimum": ("{plan}: up to the minimum of the period", "{plan}：补足本期最低消费"),
    "outcome": ("{plan}: outcomes", "{plan}：效果付费"),
    # Models at a service tier.
    "priority": ("{model}, priority", "{model}（优先）"),
    "flex": ("{model}, flex", "{model}（弹性）"),
    # Meters.
    "input_tokens": ("input tokens", "输入词元"),
    "cached_input_tokens": ("cached input tokens", "缓存输入词元"),
    "output_tokens": ("output tokens", "输出词元"),
    "rows": ("rows judged", "判定行数"),
    "images": ("pictures judged", "判定图像数"),
    "adaptation_seconds": ("seconds of adaptation", "适配秒数"),
    # Prices.
    "per_unit": ("{price} / {units}", "{price} / {units}"),
    "package": ("{price} per started {units}", "每 {units}（不足按整包计）{price}"),
    "graduated": (
        "Each unit by its tier, per {units}: {tiers}",
        "阶梯计价，每 {units}：{tiers}",
    ),
    "volume": (
        "All units by the tier reached, per {units}: {tiers}",
        "按总量所达档位计价，每 {units}：{tiers}",
    ),
    "tier": ("{price} up to {up_to}; ", "{up_to} 以内 {price}；"),
    "last_tier": ("{price} above", "以上 {price}"),
    "flat": (" and {flat} once", "（另加一次性 {flat}）"),
    "seconds": ("{units} s", "{units} 秒"),
    # Tax.
    "standard": ("Tax at {percent} %.", "税率 {percent}%。"),
    "untaxed": ("No tax is charged.", "本账单不含税费。"),
    "reverse_charge": (
        "Reverse charge: the recipient accounts for the tax.",
        "反向征税：税款由购买方自行申报缴纳。",
    ),
    "exempt": ("Exempt from tax.", "免税。"),
    "inclusive": ("Amounts of lines include tax.", "各行金额含税。"),
    # Terms of payment, by collection method.
    "manual": (
        "Please transfer {owed} by {due}, quoting {number}.",
        "请于 {due} 前转账支付 {owed}，并注明账单号 {number}。",
    ),
    "charge": (
        "{owed} is charged to the payment method on file.",
        "{owed} 将从已登记的付款方式中扣款。",
    ),
    "invoice": (
        "Please pay {owed} by {due} through the link that was sent.",
        "请于 {due} 前通过已发送的链接支付 {owed}。",
    ),
    "nothing_owed": ("Nothing is left to pay.", "无需付款。"),
    "not_final": (
        "Not final: usage may still be added.",
        "尚未结算：用量可能继续增加。",
    ),
    # Which calls are billed; docs/metering.md explains it in detail.
    "rule": (
        "Billed are calls that were answered whole and, where the caller left early, what was "
        "consumed by then; calls that were refused, failed on our side, were given again for "
        "their Idempotency-Key or whose consumption is unknown are not billed.",
        "计费范围：完整应答的调用，以及调用方提前断开时截至当时的用量；"
        "被拒绝、因我方故障失败、凭幂等键重复返回或用量未知的调用不计费。",
    ),
    # States.
    "preview": ("Preview", "预览"),
    "draft": ("Draft", "草稿"),
    "open": ("Open", "待付款"),
    "paid": ("Paid", "已付款"),
    "void": ("Void", "已作废"),
    "uncollectible": ("Written off", "已核销"),
    # Labels.
    "title": ("Invoice", "账单"),
    "number": ("Number", "账单号"),
    "state": ("Status", "状态"),
    "issued": ("Issued", "开具日期"),
    "due": ("Due", "付款期限"),
    "period": ("Period", "账期"),
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
        "贷项通知 {number}（{day}）：{reason}",
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
