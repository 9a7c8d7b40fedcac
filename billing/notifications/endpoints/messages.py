"""Messages to chat robots and mailboxes: the bodies that the vendors document.

Texts of events contain what customers and operators typed. `neutral` replaces the characters with
which a chat would mention people, link or format by full-width ones, which look alike.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from billing.notifications.endpoints.kinds import DINGTALK, FEISHU, ROBOTS, SLACK, WECOM
from billing.translations.catalog import billing_texts
from infra.translations import gettext_noop

_MAX_TITLE, _MAX_TEXT = 120, 800  # characters in chats
_OPEN = gettext_noop("Open in MaaS")
_SEVERAL = gettext_noop("{count} notifications")
_FOOTER = gettext_noop("You can change or stop these e-mails on the page {page}.")
_FULL_WIDTH = str.maketrans("<>@*`[]~|&\\", "＜＞＠＊｀［］～｜＆＼")
_LINE_START = re.compile(r"^(\s*)#", re.MULTILINE)
# Marks that turn the direction of text, with which a text can look like another one.
_KEPT_CONTROL = "\n"


@dataclass(frozen=True, slots=True)
class Message:
    """One event to tell: title, text and the URL of its page (empty if it has none)."""

    title: str
    text: str
    link: str


def neutral(text: str, limit: int) -> str:
    """Return a text that no chat takes for markup, a mention or a link, at most `limit` long."""
    printable = "".join(
        letter
        for letter in text
        if letter in _KEPT_CONTROL or unicodedata.category(letter) not in ("Cc", "Cf", "Co", "Cs")
    )
    replaced = printable.replace("://", ":／／").translate(_FULL_WIDTH)
    replaced = _LINE_START.sub(r"\1＃", replaced).strip()
    return replaced if len(replaced) <= limit else f"{replaced[: limit - 1]}…"


def fitting(kind: str, messages: Sequence[Message], language: str) -> int:
    """Return how many of the messages, from the first, fit into one message of a robot."""
    limit, size = ROBOTS[kind].max_bytes, 0
    for number, message in enumerate(messages):
        size += len(_markdown(_neutral(message), language).encode()) + 100
        if number and size > limit:
            return number
    return len(messages)


def robot_body(kind: str, messages: Sequence[Message], language: str) -> dict[str, Any]:
    """Return the body of a robot's message for one or several events."""
    neutralised = [_neutral(message) for message in messages]
    return _BODIES[kind](neutralised, language)


def email_text(messages: Sequence[Message], language: str, page: str) -> tuple[str, str]:
    """Return subject and text of an e-mail for one or several events."""
    texts = billing_texts(language)
    parts = [
        "\n".join(part for part in (one.title, one.text, one.link) if part) for one in messages
    ]
    parts.append(f"-- \n{texts.text(_FOOTER, page=page)}")
    subject = " ".join(_heading(messages, language).split())
    return subject[:200], "\n\n".join(parts) + "\n"


def _neutral(message: Message) -> Message:
    """Return a message whose texts no chat takes for markup; its link is this deployment's."""
    title = neutral(message.title, _MAX_TITLE).replace("\n", " ")
    return Message(title, neutral(message.text, _MAX_TEXT), message.link)


def _heading(messages: Sequence[Message], language: str) -> str:
    """Return the title of the event, or of the group of events."""
    if len(messages) == 1:
        return messages[0].title
    return billing_texts(language).text(_SEVERAL, count=len(messages))


def _markdown(message: Message, language: str) -> str:
    """Return a message as the markdown that WeCom and DingTalk have in common."""
    lines = [f"**{message.title}**", message.text]
    if message.link:
        lines.append(f"[{billing_texts(language).text(_OPEN)}]({message.link})")
    return "\n".join(line for line in lines if line)


def _wecom_body(messages: Sequence[Message], language: str) -> dict[str, Any]:
    """Return the body of WeCom's group robots: a message of the type markdown."""
    content = "\n\n".join(_markdown(one, language) for one in messages)
    return {"msgtype": "markdown", "markdown": {"content": content}}


def _dingtalk_body(messages: Sequence[Message], language: str) -> dict[str, Any]:
    """Return the body of DingTalk's robots; a line ends with two spaces there."""
    text = "\n\n".join(_markdown(one, language) for one in messages)
    lines = "\n\n".join(part.replace("\n", "  \n") for part in text.split("\n\n"))
    # The name is a keyword that a robot may ask for.
    return {
        "msgtype": "markdown",
        "markdown": {"title": _heading(messages, language), "text": f"{lines}\n\nMaaS"},
        "at": {"isAtAll": False},
    }


def _feishu_body(messages: Sequence[Message], language: str) -> dict[str, Any]:
    """Return the body of Feishu's robots: a card whose texts are plain text."""
    elements: list[dict[str, Any]] = []
    for number, one in enumerate(messages):
        text = one.text if len(messages) == 1 else f"{one.title}\n{one.text}"
        if number:
            elements.append({"tag": "hr"})
        if text:
            elements.append({"tag": "div", "text": {"tag": "plain_text", "content": text}})
        if one.link:
            label = billing_texts(language).text(_OPEN)
            button = {
                "tag": "button",
                "text": {"tag": "plain_text", "content": label},
                "type": "default",
                "url": one.link,
            }
            elements.append({"tag": "action", "actions": [button]})
    title = {"tag": "plain_text", "content": f"MaaS: {_heading(messages, language)}"}
    card = {
        "config": {"wide_screen_mode": True},
        "header": {"title": title, "template": "blue"},
        "elements": elements,
    }
    return {"msg_type": "interactive", "card": card}


def _slack_body(messages: Sequence[Message], language: str) -> dict[str, Any]:
    """Return the body of Slack's incoming webhooks: plain text in blocks, and a short fallback."""
    blocks: list[dict[str, Any]] = []
    for one in messages:
        text = "\n".join(part for part in (one.title, one.text) if part)
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": text}})
        if one.link:
            label = billing_texts(language).text(_OPEN)
            link = {"type": "mrkdwn", "text": f"<{one.link}|{label}>"}
            blocks.append({"type": "context", "elements": [link]})
        blocks.append({"type": "divider"})
    return {"text": _heading(messages, language), "blocks": blocks[:-1], "unfurl_links": False}


_BODIES: Mapping[str, Callable[[Sequence[Message], str], dict[str, Any]]] = MappingProxyType(
    {WECOM: _wecom_body, DINGTALK: _dingtalk_body, FEISHU: _feishu_body, SLACK: _slack_body}
)
