"""Chat robots of WeCom, DingTalk, Feishu and Slack on a socket, as their vendors document them.

Owns the robots' keys and secrets, what arrived, and the answers that a test sets. Signatures,
timestamps and bodies are checked, and the rate limit of 20 messages a minute.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from infra.clock import Clock
from tests.support.fakes.listening import listening

WECOM_KEY, DINGTALK_TOKEN = "11111111-aaaa-bbbb-cccc-222222222222", "d" * 60 + "1234"
FEISHU_KEY, SLACK_KEY = "33333333-aaaa-bbbb-cccc-444444444444", "T000/B000/XXXXXXXXXXXXXXXX"
DINGTALK_SECRET, FEISHU_SECRET = "SEC" + "a1" * 30, "feishu-secret-0001"
_PER_MINUTE = 20


@dataclass
class Robots:
    """The robots' host, the messages they accepted by kind, and the next answers of a kind.

    A kind in `hanging` does not answer until `release` is set. `arrived` is set by the first
    message.
    """

    clock: Clock
    url: str = ""
    taken: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: dict[str, list[web.Response]] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _times: dict[str, list[float]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    def address(self, kind: str) -> str:
        paths = {
            "wecom": f"/cgi-bin/webhook/send?key={WECOM_KEY}",
            "dingtalk": f"/robot/send?access_token={DINGTALK_TOKEN}",
            "feishu": f"/open-apis/bot/v2/hook/{FEISHU_KEY}",
            "slack": f"/services/{SLACK_KEY}",
        }
        return f"{self.url}{paths[kind]}"

    def answer_next(self, kind: str, body: str, status: int = 200) -> None:
        self.answers.setdefault(kind, []).append(
            web.Response(text=body, status=status, content_type="application/json")
        )

    async def wecom(self, request: web.Request) -> web.Response:
        if request.query.get("key") != WECOM_KEY:
            return _code(93000, "invalid webhook url")
        body = await request.json()
        if body.get("msgtype") != "markdown" or not body["markdown"].get("content"):
            return _code(40008, "invalid message type")
        if len(body["markdown"]["content"].encode()) > 4096:
            return _code(40058, "markdown.content exceed max length 4096")
        return await self._take(
            "wecom", body, _code(0, "ok"), _code(45009, "api freq out of limit")
        )

    async def dingtalk(self, request: web.Request) -> web.Response:
        if request.query.get("access_token") != DINGTALK_TOKEN:
            return _code(300001, "token is not exist")
        stamp = request.query.get("timestamp", "0")
        digest = hmac.new(
            DINGTALK_SECRET.encode(), f"{stamp}\n{DINGTALK_SECRET}".encode(), hashlib.sha256
        )
        if abs(int(stamp) / 1000 - self.clock.now().timestamp()) > 3600:
            return _code(310000, "invalid timestamp")
        if request.query.get("sign") != base64.b64encode(digest.digest()).decode():
            return _code(310000, "sign not match")
        body = await request.json()
        if body.get("msgtype") != "markdown" or not body["markdown"].get("title"):
            return _code(40035, "bad json")
        return await self._take("dingtalk", body, _code(0, "ok"), _code(130101, "send too fast"))

    async def feishu(self, request: web.Request) -> web.Response:
        if request.match_info["key"] != FEISHU_KEY:
            return _feishu(19001, "param invalid: incoming webhook access token invalid")
        body = await request.json()
        stamp = body.pop("timestamp", "0")
        key = f"{stamp}\n{FEISHU_SECRET}".encode()
        wanted = base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode()
        late = abs(int(stamp) - self.clock.now().timestamp()) > 3600
        if body.pop("sign", "") != wanted or late:
            return _feishu(19021, "sign match fail or timestamp is not within one hour")
        if body.get("msg_type") != "interactive" or "elements" not in body.get("card", {}):
            return _feishu(9499, "Bad Request")
        limited = _feishu(11232, "frequency limited psm[lark.oapi.app_platform_runtime]")
        return await self._take("feishu", body, _feishu(0, "success"), limited)

    async def slack(self, request: web.Request) -> web.Response:
        if request.match_info["key"] != SLACK_KEY:
            return web.Response(text="no_service", status=404)
        body = await request.json()
        if not body.get("text") or len(body.get("blocks", [])) > 50:
            return web.Response(text="invalid_blocks", status=400)
        limited = web.Response(text="rate_limited", status=429)
        return await self._take("slack", body, web.Response(text="ok"), limited)

    async def _take(
        self, kind: str, body: dict[str, Any], accepted: web.Response, limited: web.Response
    ) -> web.Response:
        """Answer as the test wants, else accept the message unless there were too many."""
        self.arrived.set()
        if kind in self.hanging:
            await self.release.wait()
        if self.answers.get(kind):
            return self.answers[kind].pop(0)
        now = self.clock.now().timestamp()
        times = [one for one in self._times.get(kind, []) if one > now - 60]
        self._times[kind] = [*times, now]
        if len(times) >= _PER_MINUTE:
            return limited
        self.taken.setdefault(kind, []).append(body)
        return accepted


def _code(code: int, message: str) -> web.Response:
    return web.json_response({"errcode": code, "errmsg": message})


def _feishu(code: int, message: str) -> web.Response:
    return web.Response(
        text=json.dumps({"code": code, "msg": message, "data": {}}), content_type="application/json"
    )


@asynccontextmanager
async def run_robots(clock: Clock) -> AsyncIterator[Robots]:
    """Serve until the block ends."""
    robots, app = Robots(clock), web.Application()
    app.router.add_post("/cgi-bin/webhook/send", robots.wecom)
    app.router.add_post("/robot/send", robots.dingtalk)
    app.router.add_post("/open-apis/bot/v2/hook/{key}", robots.feishu)
    app.router.add_post("/services/{key:.+}", robots.slack)
    async with listening(app) as url:
        robots.url = url
        yield robots
        robots.release.set()
