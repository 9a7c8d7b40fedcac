"""Requests to chat robots, signed as their vendors document."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from billing.notifications.endpoints.kinds import DINGTALK, FEISHU

JSON_HEADERS: Mapping[str | bytes, str | bytes] = {
    "content-type": "application/json; charset=utf-8"
}


@dataclass(frozen=True, slots=True)
class RobotRequest:
    """Address and body of one request; `log_text` is the body without its signature."""

    url: str
    body: bytes
    log_text: str


def signed_request(
    kind: str, url: str, secret: str, body: Mapping[str, Any], at: datetime
) -> RobotRequest:
    """Build the request to a robot; without a secret it is not signed."""
    log_text = _to_json(body)
    if not secret:
        return RobotRequest(url, log_text.encode(), log_text)
    if kind == DINGTALK:
        millis = str(int(at.timestamp() * 1000))
        query = urlencode({"timestamp": millis, "sign": dingtalk_sign(millis, secret)})
        return RobotRequest(f"{url}&{query}", log_text.encode(), log_text)
    if kind == FEISHU:
        seconds = str(int(at.timestamp()))
        signed = {"timestamp": seconds, "sign": feishu_sign(seconds, secret), **body}
        return RobotRequest(url, _to_json(signed).encode(), log_text)
    return RobotRequest(url, log_text.encode(), log_text)


def dingtalk_sign(timestamp_ms: str, secret: str) -> str:
    """Return DingTalk's signature: HMAC-SHA256 of timestamp and secret, with the secret as key."""
    text = f"{timestamp_ms}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def feishu_sign(timestamp_s: str, secret: str) -> str:
    """Return Feishu's signature: HMAC-SHA256 of nothing, with timestamp and secret as key."""
    key = f"{timestamp_s}\n{secret}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def _to_json(body: Mapping[str, Any]) -> str:
    """Serialise a body."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
