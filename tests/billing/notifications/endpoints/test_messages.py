"""Messages of robots: neutral texts, sizes, documented signatures, addresses that are masked."""

import json
from datetime import UTC, datetime

import pytest

from billing.notifications.endpoints.fields import (
    AddressRules,
    NotificationEndpointInvalid,
    check_address,
    mask_address,
    require_address,
    require_description,
    require_events,
    require_kind,
    require_language,
    require_secret,
)
from billing.notifications.endpoints.kinds import ROBOTS, cool_down
from billing.notifications.endpoints.messages import Message, email_text, neutral, robot_body
from billing.notifications.endpoints.robot_signing import (
    dingtalk_sign,
    feishu_sign,
    signed_request,
)
from infra.outbound.allowed_addresses import AllowedAddresses
from tests.support.fakes import names

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
RULES = AddressRules(AllowedAddresses(resolve=names.resolve), ("proxy.example:8443",))
WECOM = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0123456789abcdef"

DINGTALK_EXAMPLE = "Za/ne6w2koB8B4ROVlgTNd/X+/FbyDpZrXLz57xNZSA="
FEISHU_EXAMPLE = "NVcdmaRhTlOqmXksontxmKEP4AYWAMD5VOczwSqarks="


@pytest.mark.parametrize(
    "typed",
    [
        "<@all> now",
        "@所有人 请看",
        "<at id=all></at>",
        "<!channel>",
        "[pay](http://evil.example)",
        "**bold** `code` ~x~",
        "> quote",
        "# heading",
        '<font color="warning">x</font>',
    ],
)
@pytest.mark.parametrize("kind", list(ROBOTS))
def test_text_of_customers_is_no_markup_mention_or_link(kind: str, typed: str) -> None:
    own = json.dumps(robot_body(kind, [Message("", "", "")], "en"), ensure_ascii=False)
    body = robot_body(kind, [Message(typed, f"Reason: x\n{typed}", "")], "en")
    text = json.dumps(body, ensure_ascii=False)
    for mark in ("<", "@", "[pay", "](", "://", "`", "~", "> quote", "\\n#", '"# '):
        assert text.count(mark) == own.count(mark)
    assert text.count("**") <= 2  # the title


def test_control_characters_are_removed_and_long_texts_shortened() -> None:
    assert neutral("a\u202eb\x00c\nd", 10) == "abc\nd"
    assert neutral("x" * 11, 10) == "x" * 9 + "…"


def test_group_of_events_has_a_title_with_their_number() -> None:
    group = [Message("One", "1", "https://m.example/1"), Message("Two", "", "")]
    for kind in ROBOTS:
        assert "One" in json.dumps(robot_body(kind, group, "en"))
    card = robot_body("feishu", group, "zh")["card"]
    assert card["header"]["title"]["content"] == "MaaS: 2 条通知"
    assert [one["tag"] for one in card["elements"]] == ["div", "action", "hr", "div"]
    subject, text = email_text(group, "en", "https://m.example/n")
    assert (subject, "Two\n\n-- \n" in text) == ("2 notifications", True)


def test_line_breaks_do_not_reach_the_subject_of_an_email() -> None:
    assert email_text([Message("a\nBcc: b", "", "")], "en", "p")[0] == "a Bcc: b"


def test_signatures_equal_those_of_the_vendors_documents() -> None:
    """The examples were computed on their own, step by step as the vendors document."""
    assert dingtalk_sign("1577262236757", "SECtest") == DINGTALK_EXAMPLE
    assert feishu_sign("1599360473", "test") == FEISHU_EXAMPLE


def test_signature_is_in_the_address_of_dingtalk_and_the_body_of_feishu() -> None:
    dingtalk = signed_request("dingtalk", "https://d.example/?access_token=1", "s", {"a": 1}, NOW)
    assert "&timestamp=1796011200000&sign=" in dingtalk.url
    feishu = signed_request("feishu", "https://f.example/", "s", {"a": 1}, NOW)
    assert json.loads(feishu.body)["timestamp"] == "1796011200"
    assert (feishu.log_text, dingtalk.body) == ('{"a":1}', b'{"a":1}')
    assert signed_request("slack", "https://s.example/", "s", {}, NOW).body == b"{}"


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("wecom", WECOM),
        ("wecom", "http://proxy.example:8443/cgi-bin/webhook/send?key=1"),
        ("feishu", "https://open.larksuite.com/open-apis/bot/v2/hook/1"),
        ("email", "li@acme.example"),
        ("webhook", "https://acme.example/hook"),
    ],
)
def test_address_of_the_vendor_is_accepted(kind: str, address: str) -> None:
    assert require_address(kind, f" {address} ", RULES) == address


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("wecom", ""),
        ("wecom", "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1"),
        ("wecom", "https://qyapi.weixin.qq.com.evil.example/cgi-bin/webhook/send?key=1"),
        ("wecom", "https://qyapi.weixin.qq.com:444/cgi-bin/webhook/send?key=1"),
        ("wecom", "https://u:p@qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=1&key=2"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/other?key=1"),
        ("wecom", "https://[bad/"),
        ("slack", "https://hooks.slack.com/workflows/1"),
        ("slack", "https://hooks.slack.com/services/"),
        ("email", "nobody"),
        ("webhook", "https://10.0.0.1/"),
        ("webhook", "https://acme.example/" + "x" * 2000),
    ],
)
def test_other_addresses_are_rejected(kind: str, address: str) -> None:
    with pytest.raises(NotificationEndpointInvalid) as caught:
        require_address(kind, address, RULES)
    assert caught.value.param == "address"


async def test_host_of_a_webhook_is_resolved() -> None:
    assert await check_address("wecom", WECOM, RULES) is None
    assert await check_address("webhook", "https://acme.example/", RULES) is None
    with pytest.raises(NotificationEndpointInvalid):
        await check_address("webhook", "https://missing.example/", RULES)


def test_key_of_a_robot_is_masked() -> None:
    assert mask_address("wecom", WECOM) == WECOM.replace("0123456789abcdef", "…cdef")
    short = "https://hooks.slack.com/services/1"
    assert mask_address("slack", short) == "https://hooks.slack.com/services/…"
    assert mask_address("email", "a@b.example") == "a@b.example"


@pytest.mark.parametrize(
    ("check", "param"),
    [
        (lambda: require_kind("pager"), "kind"),
        (lambda: require_language("fr"), "language"),
        (lambda: require_description("a\nb"), "description"),
        (lambda: require_description("x" * 201), "description"),
        (lambda: require_events([]), "enabled_events"),
        (lambda: require_events(["nope"]), "enabled_events"),
        (lambda: require_secret("slack", "x"), "secret"),
        (lambda: require_secret("feishu", "密"), "secret"),
    ],
)
def test_invalid_field_is_rejected(check: object, param: str) -> None:
    with pytest.raises(NotificationEndpointInvalid) as caught:
        check()  # type: ignore[operator]
    assert caught.value.param == param


def test_wildcard_replaces_other_events_and_duplicates_are_removed() -> None:
    assert require_events(["jobs", "*"]) == ["*"]
    assert require_events(["jobs", "jobs"]) == ["jobs"]


def test_dingtalk_is_left_alone_for_ten_minutes_after_its_rate_limit() -> None:
    assert [cool_down(kind).total_seconds() for kind in ("dingtalk", "webhook")] == [600, 60]
