"""Localised e-mail templates for notices to accounts, and their queueing."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from billing.notifications.agent_learning_texts import AGENT_LEARNING_TEXTS
from billing.outbox import enqueue
from billing.tables import BillingProfile
from billing.translations.catalog import billing_texts
from infra.clock import Clock
from infra.translations import gettext_noop

# By kind: subject and text.
_TEMPLATES: Mapping[str, tuple[str, str]] = {
    "reminder": (
        gettext_noop("Payment reminder: invoice {number} is overdue"),
        gettext_noop(
            "Hello,\n\nInvoice {number} for {owed} was due on {due} and has not been paid.\n"
            "Please pay it as soon as possible. If you have already paid, ignore this message.\n"
        ),
    ),
    "suspended": (
        gettext_noop("Service suspended: invoice {number} is overdue"),
        gettext_noop(
            "Hello,\n\nInvoice {number} for {owed} was due on {due}. It is still unpaid after "
            "several reminders, so model calls are suspended.\nService is restored automatically "
            "when no invoice is overdue.\n"
        ),
    ),
    "alert": (
        gettext_noop("Usage alert: {percent}% of {subject} used"),
        gettext_noop(
            "Hello,\n\nYou have used {used} of {amount}, at least {percent}% of {subject} in this "
            "period.\n"
        ),
    ),
    "alert_test": (
        gettext_noop("Test alert"),
        gettext_noop(
            "Hello,\n\nThis is a test message. No action is needed. Usage alerts can reach this "
            "mailbox.\n"
        ),
    ),
    "auto_top_up_stopped": (
        gettext_noop("Automatic top-up stopped"),
        gettext_noop(
            "Hello,\n\nThe automatic top-up of {amount} failed {failures} times and was turned "
            "off. Check the saved payment method, then turn automatic top-up on again on the page "
            "of the wallet.\n"
        ),
    ),
    "pack_expiring": (
        gettext_noop("Prepaid pack expires soon: {pack}"),
        gettext_noop(
            "Hello,\n\n{remaining} of {units} units of the prepaid pack {pack} are unused. They "
            "expire on {expires_at}.\n"
        ),
    ),
    "endpoint_disabled": (
        gettext_noop("Notifications stopped: {name}"),
        gettext_noop(
            "Hello,\n\nNotifications to {name} have failed since {since} UTC, so the endpoint was "
            "disabled.\nCheck its address and secret, then enable it on the page of notifications. "
            "Notifications that were not delivered can be delivered again there.\n"
        ),
    ),
    "endpoint_confirmation": (
        gettext_noop("Confirm this mailbox for notifications of {account}"),
        gettext_noop(
            "Hello,\n\nSomebody of the account {account} wants its notifications to be sent to "
            "this mailbox. To agree, open this link within seven days and confirm:\n\n{link}\n\nIf "
            "you do not expect this, ignore this message: nothing else is sent.\n"
        ),
    ),
    "drift_moderate": (
        gettext_noop("Model drift: {model}"),
        gettext_noop(
            "Hello,\n\nThe data that {model} is called with differs moderately from the data it "
            "was trained on. The largest change is in {variable} (PSI {psi}, last {rows} rows).\n"
            "Check the input, and consider training the model again.\n"
        ),
    ),
    "drift_significant": (
        gettext_noop("Significant model drift: {model}"),
        gettext_noop(
            "Hello,\n\nThe data that {model} is called with differs significantly from the data it "
            "was trained on. The largest change is in {variable} (PSI {psi}, last {rows} rows).\n"
            "Do not rely on its predictions until you have checked the input or trained the model "
            "again.\n"
        ),
    ),
    "promise_broken": (
        gettext_noop("Predictions are less reliable than stated: {model}"),
        gettext_noop(
            "Hello,\n\nThe intervals or probabilities of {model} state {nominal}, but only "
            "{observed} of the last {rows} observed results agree.\n"
            "Do not rely on them until you have checked the input or trained the model again.\n"
        ),
    ),
    "retraining_activated": (
        gettext_noop("New model version in use: {model}"),
        gettext_noop(
            "Hello,\n\nThe scheduled training of {model} gave version {version}. It scores better "
            "than the version before and answers calls now. You can roll back at any time.\n"
        ),
    ),
    "retraining_proposed": (
        gettext_noop("New model version to review: {model}"),
        gettext_noop(
            "Hello,\n\nThe scheduled training of {model} gave version {version}. It is not in use: "
            "compare it with the current version, then choose it on the page of the model.\n"
        ),
    ),
    "retraining_failed": (
        gettext_noop("No new model version: {model}"),
        gettext_noop(
            "Hello,\n\nThe scheduled training of {model} gave no version to use:\n\n{reason}\n\n"
            "The current version goes on answering calls.\n"
        ),
    ),
    "agent_inspect": (
        gettext_noop("Inspect {asset}: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} recommends inspecting {asset}. Reasons, figures and the "
            "expected costs are on the page of the agent.\n"
        ),
    ),
    "agent_stop": (
        gettext_noop("Stop {asset}: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} recommends stopping {asset} for a repair now. Reasons, "
            "figures and the expected costs are on the page of the agent.\n"
        ),
    ),
    "agent_part": (
        gettext_noop("Order the spare part for {asset}: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} recommends ordering the spare part for {asset} now, "
            "because of its delivery time. Figures are on the page of the agent.\n"
        ),
    ),
    "agent_cleared": (
        gettext_noop("No action needed any more for {asset}: {name}"),
        gettext_noop("Hello,\n\nThe agent {name} no longer recommends an action for {asset}.\n"),
    ),
    "agent_pumps": (
        gettext_noop("Switch pumps of {asset}: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} recommends another number of running pumps for {asset} "
            "now. The plan, its cost and the level are on the page of the agent.\n"
        ),
    ),
    "agent_blind": (
        gettext_noop("Pumps of {asset} are not scheduled: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} switches no pumps of {asset}: a reading cannot be relied "
            "on, or a rule was raised. The control of the plant goes on by itself. The reason is "
            "on the page of the agent.\n"
        ),
    ),
    "agent_rolled_back": (
        gettext_noop("Learned schedule taken back for {asset}: {name}"),
        gettext_noop(
            "Hello,\n\nThe learned schedule of the agent {name} cost more for {asset} than "
            "two-level control would have cost. It was taken back, and two-level control decides "
            "again. The figures by day are on the page of the agent.\n"
        ),
    ),
    "agent_stopped": (
        gettext_noop("Agent stopped: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} for {asset} was stopped, because its calls are refused "
            "({code}). Correct the cause, then start it again on its page.\n"
        ),
    ),
    "agent_team_conflict": (
        gettext_noop("Verdicts on {asset} disagree: team {team}"),
        gettext_noop(
            "Hello,\n\nThe agents of the team {team} disagree about {asset}: {verdicts}. No third "
            "agent could decide. Answer the task on its page, so that planning can go on.\n"
        ),
    ),
    "agent_team_unpaid": (
        gettext_noop("Budget of team {team} used up: {asset}"),
        gettext_noop(
            "Hello,\n\nThe budget of the team {team} does not pay for a diagnosis of {asset}. So "
            "far: {verdicts}. Answer the task on its page, so that planning can go on.\n"
        ),
    ),
    "agent_team_task_stopped": (
        gettext_noop("Task about {asset} stopped: team {team}"),
        gettext_noop(
            "Hello,\n\nA task of the team {team} about {asset} was stopped ({code}). So far: "
            "{verdicts}. Nobody acts on it any more: look at the machine, and at the task's page.\n"
        ),
    ),
    "agent_team_oscillating": (
        gettext_noop("Agent stopped, its decisions change too often: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} of the team {team} was stopped, because its decision about "
            "{asset} went back and forth. Check its limits and its points, then activate it "
            "again.\n"
        ),
    ),
    "agent_report": (
        gettext_noop("Daily report: {name}, {asset}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} for {asset}, since {since} (UTC):\n\nChecks: {ticks}\n"
            "Predictions: {predictions}\nRecommendations: {recommendations}\nActions: {actions}\n"
            "Errors: {errors}\nCost of calls: {cost}\nExpected saving: {expected}\n"
            "Observed saving: {observed}\n\nA dash means: not yet known. The reasons are on the "
            "page of the agent.\n"
        ),
    ),
    **AGENT_LEARNING_TEXTS,
    "work_order_created": (
        gettext_noop("Work order {code} for {asset}"),
        gettext_noop("Hello,\n\nA work order was created: {name}.\n"),
    ),
    "work_order_updated": (
        gettext_noop("Work order {code} for {asset} updated"),
        gettext_noop("Hello,\n\nThe status of a work order has changed: {name}.\n"),
    ),
    "work_order_cancelled": (
        gettext_noop("Work order {code} for {asset} cancelled"),
        gettext_noop("Hello,\n\nA work order was cancelled: {name}.\n"),
    ),
    "agent_command_refused": (
        gettext_noop("Command to {tag} refused: {name}"),
        gettext_noop(
            "Hello,\n\nA command of the agent {name} for {asset} was refused: {tag} was not "
            "written ({code}). Figures are on the page of commands.\n"
        ),
    ),
    "agent_command_not_confirmed": (
        gettext_noop("Command to {tag} not confirmed: {name}"),
        gettext_noop(
            "Hello,\n\nA command of the agent {name} for {asset} was not confirmed: the new value "
            "of {tag} was not read back in time. Check the machine.\n"
        ),
    ),
    "agent_command_safe": (
        gettext_noop("Safe value written to {tag}: {name}"),
        gettext_noop(
            "Hello,\n\nThe agent {name} did not renew its command for {asset} in time. The "
            "connector has written the safe value to {tag}.\n"
        ),
    ),
    "line_credited": (
        gettext_noop("Dispute answered: line {line} of invoice {number} credited"),
        gettext_noop(
            "Hello,\n\nYour dispute of line {line} of invoice {number} was answered and a credit "
            "note was issued:\n\n{answer}\n"
        ),
    ),
    "line_refused": (
        gettext_noop("Dispute answered: line {line} of invoice {number} unchanged"),
        gettext_noop(
            "Hello,\n\nYour dispute of line {line} of invoice {number} was answered. The amount is "
            "unchanged:\n\n{answer}\n"
        ),
    ),
    "price_change": (
        gettext_noop("New prices of the plan {plan} from {day}"),
        gettext_noop(
            "Hello,\n\nThe plan {plan} has new prices. The fee is {before} today and {after} then; "
            "the page of the plan shows all prices.\nThey apply to you from the end of the period "
            "that you have paid on {day}. Until then you can cancel or choose another plan.\n"
        ),
    ),
    "fapiao_issued": (
        gettext_noop("Fapiao {fapiao} for invoice {number}"),
        gettext_noop(
            "Hello,\n\nThe fapiao {fapiao} over {amount} for invoice {number} was issued to "
            "{title}.\nDownload it on the page of the invoice.\n"
        ),
    ),
    "fapiao_red_issued": (
        gettext_noop("Red-letter fapiao {fapiao} for invoice {number}"),
        gettext_noop(
            "Hello,\n\nThe red-letter fapiao {fapiao} over {amount} for invoice {number} was "
            "issued to {title}. It reduces or cancels an earlier fapiao of this invoice.\n"
            "Download it on the page of the invoice.\n"
        ),
    ),
    "outcome_settled": (
        gettext_noop("Settlement: {name}, {month}"),
        gettext_noop(
            "Hello,\n\nThe settlement of {name} for {month} is {amount}, at the contract's prices "
            "and before any tax added on the invoice.\nYou can dispute it until {until}. The "
            "undisputed part is invoiced afterwards.\n"
        ),
    ),
    "outcome_answered": (
        gettext_noop("Your dispute was answered"),
        gettext_noop(
            "Hello,\n\nThe operator answered your dispute:\n\n{answer}\n\nReply by {until} if you "
            "do not agree. Otherwise the dispute is decided for the operator.\n"
        ),
    ),
    "outcome_decided": (
        gettext_noop("Dispute decided"),
        gettext_noop(
            "Hello,\n\nThe dispute about {amount} was decided for {side}.\nThe decision was "
            "carried out automatically. No action is needed.\n"
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class EmailNotice:
    """An e-mail to an account: the template's kind and the values of its placeholders."""

    kind: str
    values: Mapping[str, str]

    def render(self, locale: str) -> tuple[str, str]:
        """Return the subject and text in a locale."""
        texts = billing_texts(locale)
        subject, text = _TEMPLATES[self.kind]
        return texts.text(subject, **self.values), texts.text(text, **self.values)

    def render_without_greeting(self, locale: str) -> tuple[str, str]:
        """Return the subject and the text after its first paragraph, for messages to a chat."""
        subject, text = self.render(locale)
        return subject, text.partition("\n\n")[2].strip()


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
