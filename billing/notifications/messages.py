"""Localised e-mail templates for notices to accounts, and their queueing."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from billing.outbox import enqueue
from billing.tables import BillingProfile
from infra.clock import Clock

_TEMPLATES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "reminder": {
        "zh": (
            "付款提醒：账单 {number} 已逾期",
            "您好：\n\n账单 {number}（应付金额 {owed}）已于 {due} 到期，我们尚未收到付款。\n"
            "请尽快支付；如已付款，请忽略本邮件。\n",
        ),
        "en": (
            "Payment reminder: invoice {number} is overdue",
            "Hello,\n\nInvoice {number} for {owed} was due on {due} and has not been paid.\n"
            "Please pay it as soon as possible. If you have already paid, ignore this message.\n",
        ),
    },
    "suspended": {
        "zh": (
            "服务已停用：账单 {number} 逾期未付",
            "您好：\n\n账单 {number}（应付金额 {owed}）已于 {due} 到期，多次提醒后仍未付款，"
            "模型调用已停用。\n付清逾期账单后将自动恢复。\n",
        ),
        "en": (
            "Service suspended: invoice {number} is overdue",
            "Hello,\n\nInvoice {number} for {owed} was due on {due}. It is still unpaid after "
            "several reminders, so model calls are suspended.\nService is restored automatically "
            "when no invoice is overdue.\n",
        ),
    },
    "alert": {
        "zh": (
            "用量已达 {percent}%：{subject}",
            "您好：\n\n本期用量已达 {percent}%：{subject}。\n共 {amount}，已使用 {used}。\n",
        ),
        "en": (
            "Usage alert: {percent}% of {subject} used",
            "Hello,\n\nYou have used {used} of {amount}, at least {percent}% of {subject} in this "
            "period.\n",
        ),
    },
    "alert_test": {
        "zh": (
            "测试提醒",
            "您好：\n\n这是一封测试邮件，无需处理。收到它说明用量提醒可以送达此邮箱。\n",
        ),
        "en": (
            "Test alert",
            "Hello,\n\nThis is a test message. No action is needed. Usage alerts can reach this "
            "mailbox.\n",
        ),
    },
    "line_credited": {
        "zh": (
            "异议已答复：账单 {number} 第 {line} 行已冲减",
            "您好：\n\n您对账单 {number} 第 {line} 行提出的异议已答复，并已开具贷记单：\n\n"
            "{answer}\n",
        ),
        "en": (
            "Dispute answered: line {line} of invoice {number} credited",
            "Hello,\n\nYour dispute of line {line} of invoice {number} was answered and a credit "
            "note was issued:\n\n{answer}\n",
        ),
    },
    "line_refused": {
        "zh": (
            "异议已答复：账单 {number} 第 {line} 行维持原金额",
            "您好：\n\n您对账单 {number} 第 {line} 行提出的异议已答复，该行维持原金额：\n\n"
            "{answer}\n",
        ),
        "en": (
            "Dispute answered: line {line} of invoice {number} unchanged",
            "Hello,\n\nYour dispute of line {line} of invoice {number} was answered. The amount is "
            "unchanged:\n\n{answer}\n",
        ),
    },
    "outcome_settled": {
        "zh": (
            "效果结算：{name} {month}",
            "您好：\n\n{name} {month} 的效果结算金额为 {amount}（按合同价格，不含账单上另计的"
            "税额）。\n"
            "如有争议，请于 {until} 前提出；届时未提出争议的部分将列入账单。\n",
        ),
        "en": (
            "Settlement: {name}, {month}",
            "Hello,\n\nThe settlement of {name} for {month} is {amount}, at the contract's prices "
            "and before any tax added on the invoice.\nYou can dispute it until {until}. The "
            "undisputed part is invoiced afterwards.\n",
        ),
    },
    "outcome_answered": {
        "zh": (
            "争议已答复",
            "您好：\n\n平台运营方已答复您提出的争议：\n\n{answer}\n\n"
            "如不同意，请于 {until} 前回复；逾期未回复，将按平台运营方意见处理。\n",
        ),
        "en": (
            "Your dispute was answered",
            "Hello,\n\nThe operator answered your dispute:\n\n{answer}\n\nReply by {until} if you "
            "do not agree. Otherwise the dispute is decided for the operator.\n",
        ),
    },
    "outcome_decided": {
        "zh": (
            "争议已裁定",
            "您好：\n\n关于 {amount} 的争议已裁定，按{side}意见处理。\n"
            "裁定已自动执行，无需其他操作。\n",
        ),
        "en": (
            "Dispute decided",
            "Hello,\n\nThe dispute about {amount} was decided for {side}.\nThe decision was "
            "carried out automatically. No action is needed.\n",
        ),
    },
}


@dataclass(frozen=True, slots=True)
class EmailNotice:
    """An e-mail to an account: the template's kind and the values of its placeholders."""

    kind: str
    values: Mapping[str, str]

    def render(self, locale: str) -> tuple[str, str]:
        """Return the subject and text in a locale."""
        subject, text = _TEMPLATES[self.kind][locale]
        return subject.format(**self.values), text.format(**self.values)


async def enqueue_email(
    session: AsyncSession, clock: Clock, profile: BillingProfile, key: str, notice: EmailNotice
) -> bool:
    """Enqueue an e-mail to the account, once per key. Returns False if it has no address."""
    if not profile.email:
        return False
    subject, text = notice.render(profile.locale)
    payload = {"to": profile.email, "subject": subject, "text": text}
    await enqueue(
        session, clock, profile.account_id, "email", f"email:{key}", f"email:{key}", payload
    )
    return True
