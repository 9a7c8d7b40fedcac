"""The kinds of endpoints: hosts and paths of the robots' addresses, secrets, sizes and rates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

WEBHOOK, EMAIL = "webhook", "email"
WECOM, DINGTALK, FEISHU, SLACK = "wecom", "dingtalk", "feishu", "slack"
LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Robot:
    """The documented limits of a vendor's group robots.

    `hosts` and `path` are the beginning of every address of the robot. `key_parameter` is the query
    parameter with its key; without one, the key is the rest of the path. `max_bytes` bounds the
    text of a message. `interval` is the shortest time between two messages, `cool_down` the pause
    after the vendor's rate limit was reached.
    """

    hosts: tuple[str, ...]
    path: str
    key_parameter: str | None
    can_sign: bool
    max_bytes: int
    interval: timedelta = timedelta(seconds=4)
    cool_down: timedelta = timedelta(minutes=1)


# 20 messages a minute are allowed by WeCom and DingTalk, one a second by Slack. 4 seconds between
# two messages leave room for test messages.
ROBOTS: Mapping[str, Robot] = MappingProxyType(
    {
        WECOM: Robot(("qyapi.weixin.qq.com",), "/cgi-bin/webhook/send", "key", False, 3_800),
        DINGTALK: Robot(
            ("oapi.dingtalk.com",),
            "/robot/send",
            "access_token",
            True,
            15_000,
            cool_down=timedelta(minutes=10),
        ),
        FEISHU: Robot(
            ("open.feishu.cn", "open.larksuite.com"),
            "/open-apis/bot/v2/hook/",
            None,
            True,
            15_000,
        ),
        SLACK: Robot(("hooks.slack.com",), "/services/", None, False, 15_000),
    }
)
KINDS = (WEBHOOK, *ROBOTS, EMAIL)
# Events of one message: of Slack's 50 blocks, an event needs 3.
MAX_GROUP = 15
_EMAIL_INTERVAL = timedelta(seconds=30)


def max_events(kind: str) -> int:
    """Return how many events one message of this kind may have; signed webhooks have one."""
    return 1 if kind == WEBHOOK else MAX_GROUP


def message_interval(kind: str) -> timedelta:
    """Return the shortest time between two messages to an endpoint of this kind."""
    if kind in ROBOTS:
        return ROBOTS[kind].interval
    return _EMAIL_INTERVAL if kind == EMAIL else timedelta(0)


def cool_down(kind: str) -> timedelta:
    """Return the pause after a receiver refused a message because of its rate limit."""
    return ROBOTS[kind].cool_down if kind in ROBOTS else timedelta(minutes=1)
