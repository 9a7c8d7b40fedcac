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
            "付款提醒:账单 {number}",
            "您好,\n\n账单 {number} 金额 {owed} 已于 {due} 到期,尚未收到付款。\n"
            "请尽快付款;如已付款,请忽略本邮件。\n",
        ),
        "en": (
            "Reminder: invoice {number}",
            "Hello,\n\ninvoice {number} of {owed} was due on {due} and is not paid yet.\n"
            "Please pay it soon; if you have, there is nothing to do.\n",
        ),
    },
    "suspended": {
        "zh": (
            "服务已暂停:账单 {number} 未付",
            "您好,\n\n账单 {number} 金额 {owed} 已于 {due} 到期,多次提醒后仍未付款,"
            "模型调用已暂停。\n付款后将自动恢复。\n",
        ),
        "en": (
            "Calls are suspended: invoice {number} is not paid",
            "Hello,\n\ninvoice {number} of {owed} was due on {due}. After several reminders it is "
            "still not paid, so calls of models are suspended.\nThey go on by themselves once it "
            "is paid.\n",
        ),
    },
    "alert": {
        "zh": (
            "用量提醒:{subject} 已达 {percent}%",
            "您好,\n\n本期{subject}共 {amount},已用 {used},达到 {percent}%。\n",
        ),
        "en": (
            "Usage: {percent}% of {subject}",
            "Hello,\n\nof {subject}, {amount} in this period, {used} are used: {percent}% or "
            "more.\n",
        ),
    },
    "alert_test": {
        "zh": (
            "测试提醒",
            "您好,\n\n这是一封测试邮件,不是真正的提醒。收到它说明用量提醒可以送达此邮箱。\n",
        ),
        "en": (
            "A test of your alerts",
            "Hello,\n\nthis is only a test: nothing has happened. As you read it, alerts reach "
            "this mailbox.\n",
        ),
    },
    "line_credited": {
        "zh": (
            "账单 {number} 第 {line} 行的异议已冲减",
            "您好,\n\n您对账单 {number} 第 {line} 行提出的异议已答复,并开具贷记单:\n\n{answer}\n",
        ),
        "en": (
            "Line {line} of invoice {number} was credited",
            "Hello,\n\nwhat you said of line {line} of invoice {number} has an answer, and a "
            "credit note was written:\n\n{answer}\n",
        ),
    },
    "line_refused": {
        "zh": (
            "账单 {number} 第 {line} 行的异议已答复",
            "您好,\n\n您对账单 {number} 第 {line} 行提出的异议已答复,该行金额不变:\n\n{answer}\n",
        ),
        "en": (
            "Line {line} of invoice {number} stays as it is",
            "Hello,\n\nwhat you said of line {line} of invoice {number} has an answer; the line "
            "stays as it is:\n\n{answer}\n",
        ),
    },
    "outcome_settled": {
        "zh": (
            "效果结算:{name} {month}",
            "您好,\n\n{name} {month} 的效果结算金额为 {amount}(不含账单上另列的税)。\n"
            "如有异议,请于 {until} 前提出;届时未提出异议的部分将列入账单。\n",
        ),
        "en": (
            "Settled: {name}, {month}",
            "Hello,\n\nthe effects of {name} in {month} come to {amount}, as the contract's prices "
            "say.\nWhat you do not agree with can be disputed until {until}; the rest is invoiced "
            "then.\n",
        ),
    },
    "outcome_answered": {
        "zh": (
            "异议已答复",
            "您好,\n\n您提出的异议已得到答复:\n\n{answer}\n\n"
            "如不同意,请于 {until} 前回复;逾期未回复则视为接受。\n",
        ),
        "en": (
            "Your dispute was answered",
            "Hello,\n\nyour dispute has an answer:\n\n{answer}\n\nIf you do not agree, reply until "
            "{until}; without a reply it is taken as settled so.\n",
        ),
    },
    "outcome_decided": {
        "zh": (
            "异议已裁定",
            "您好,\n\n关于 {amount} 的异议已裁定,{side}胜。\n裁定已自动执行,无需其他操作。\n",
        ),
        "en": (
            "A dispute is decided",
            "Hello,\n\nthe dispute about {amount} is decided for {side}.\nIt was carried out by "
            "itself; there is nothing to do.\n",
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
