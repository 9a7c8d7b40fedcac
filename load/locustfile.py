"""The users of a mixed day, for locust: programs that call, people who look, Stripe that posts.

What they share is in load/mixed_day/, what is asked of the whole in load/slo.py. The site comes from
MAAS_LOAD_SITE (`make load` writes it), or one key from MAAS_API_KEY.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, constant, events, task
from locust.env import Environment
from locust.runners import WorkerRunner
from locust.stats import StatsEntry

from load import slo
from load.deployment.firms import PASSWORD
from load.mixed_day.dashboard_pages import (
    PAGES,
    is_signed_in,
    key_made,
    new_key_of,
    secret_of,
    token_of,
)
from load.mixed_day.firm_rotation import given
from load.mixed_day.report import Ran, report
from load.mixed_day.stream_timing import StreamBroken, Timing
from load.mixed_day.stripe_events import PATH, Events

FIRMS = given()
_TOLD = "SSE"
_MACHINE = {
    "type": "L",
    "air_temperature": 298.1,
    "process_temperature": 308.6,
    "rotational_speed": 1400,
    "torque": 46.3,
    "tool_wear": 3,
}


class _Program(FastHttpUser):
    """Whatever calls with a firm's key."""

    abstract = True

    def on_start(self) -> None:
        self.firm = FIRMS.next()
        answer = self.client.get("/v1/models", headers=self.headers(), name="models")
        # The first of each task: rows below are the first classification's.
        self.models = {model["task"]: model["id"] for model in reversed(answer.json()["data"])}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {FIRMS.key_of(self.firm)}"}

    def question(self, stream: bool) -> dict[str, Any]:
        content = f"Why does spindle {random.randrange(10**6)} vibrate?"
        usage = {"stream_options": {"include_usage": True}} if stream else {}
        return {
            "model": self.models["text-generation"],
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 32,
            "stream": stream,
            **usage,
        }


class Caller(_Program):
    """A firm's programs: questions, embeddings, and a machine that is watched."""

    weight = 8
    wait_time = between(0.1, 1.0)

    @task(4)
    def chat(self) -> None:
        self._post("/v1/chat/completions", self.question(stream=False), slo.CHAT)

    @task(2)
    def embeddings(self) -> None:
        texts = [f"bearing {random.random()} runs hot" for _ in range(4)]
        body = {"model": self.models["embedding"], "input": texts}
        self._post("/v1/embeddings", body, slo.EMBEDDINGS)

    @task(8)
    def predictions(self) -> None:
        rows = [{**_MACHINE, "torque": random.uniform(20, 70)} for _ in range(16)]
        body = {"model": self.models["classification"], "instances": rows}
        self._post("/v1/predictions", body, slo.PREDICTIONS)

    @task(1)
    def usage(self) -> None:
        self.client.get("/v1/usage?limit=20", headers=self.headers(), name=slo.USAGE)

    def _post(self, path: str, body: dict[str, Any], name: str) -> None:
        self.client.post(path, json=body, headers=self.headers(), name=name)


class Streamer(_Program):
    """Somebody who reads answers while they are written."""

    weight = 4
    wait_time = between(0.1, 1.0)

    @task
    def stream(self) -> None:
        headers = {**self.headers(), "Accept-Encoding": "identity"}
        timing = Timing(time.perf_counter())
        with self.client.post(
            "/v1/chat/completions",
            json=self.question(stream=True),
            headers=headers,
            name=slo.STREAM,
            stream=True,
            catch_response=True,
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
                return
            try:
                # By lines: whole blocks would come when they are full, not when they are sent.
                timing.read(iter(lambda: answer.stream.readline(b"\n"), b""))
            except (StreamBroken, OSError) as error:
                answer.failure(str(error))
                return
            # Locust's own time ends with the headers.
            answer.request_meta["response_time"] = 1000 * (time.perf_counter() - timing.began)
        self._tell(slo.FIRST_TOKEN, timing.first_token_ms)
        self._tell(slo.EACH_TOKEN, timing.each_token_ms)

    def _tell(self, name: str, milliseconds: float | None) -> None:
        if milliseconds is not None:
            self.environment.events.request.fire(
                request_type=_TOLD,
                name=name,
                response_time=milliseconds,
                response_length=0,
                exception=None,
                context={},
            )


class _Person(FastHttpUser):
    """Somebody with a password, in a browser."""

    abstract = True

    def on_start(self) -> None:
        self.firm = FIRMS.next()
        self.csrf = self._sign_in()

    def open(self, path: str) -> str:
        """A page. Somebody whose session is over gets the one to sign in by, which counts as
        failed."""
        with self.client.get(path, name=slo.PAGE, catch_response=True) as answer:
            text = answer.text or ""
            if answer.status_code == 200 and not is_signed_in(text):
                answer.failure("not signed in")
            return text

    def send(self, path: str, what: str, **fields: str) -> str:
        headers = {"Origin": self.host or ""}
        return self.client.post(path, data=fields, headers=headers, name=what).text or ""

    def _sign_in(self) -> str:
        fields = {"email": self.firm.people[0], "password": PASSWORD, "next": "/dashboard"}
        return token_of(self.send("/dashboard/sign-in", slo.SIGN_IN, **fields))


class Reader(_Person):
    """Opens pages, and signs in anew now and then."""

    abstract = not FIRMS.dashboards
    weight = 2
    wait_time = between(0.5, 3.0)

    @task(40)
    def look(self) -> None:
        self.open(random.choice(PAGES))

    @task(1)
    def come_again(self) -> None:
        self.send("/dashboard/sign-out", "sign out", csrf=self.csrf)
        self.csrf = self._sign_in()


class Rotator(_Person):
    """Has a key of its own and rotates it under traffic: its firm's programs call with the newest
    one."""

    # Left out where it is; with a fixed count of 0 it would come by its weight, which is 1.
    abstract = not FIRMS.dashboards
    fixed_count = 1
    wait_time = constant(5)

    def on_start(self) -> None:
        super().on_start()
        fields = {"csrf": self.csrf, "id": new_key_of(self.open("/dashboard/keys/new"))}
        self.key = fields["id"]
        self._take(self.send("/dashboard/keys", "new key", name="rotated under load", **fields))

    @task
    def rotate(self) -> None:
        path = f"/dashboard/keys/{self.key}/rotate"
        self._take(self.send(path, slo.ROTATION, csrf=self.csrf, overlap="1"))

    def _take(self, page: str) -> None:
        self.key = key_made(page)
        FIRMS.rotated(self.firm, secret_of(page))


class Stripe(FastHttpUser):
    """Posts what happened at Stripe, each event signed."""

    abstract = not FIRMS.site.webhook_secret
    fixed_count = 1
    wait_time = between(0.05, 0.5)

    def on_start(self) -> None:
        self._events = Events(f"day{os.getpid()}_{random.getrandbits(32)}", random.Random())

    @task
    def post(self) -> None:
        body, headers = self._events.post(FIRMS.site.webhook_secret)
        self.client.post(PATH, data=body, headers=headers, name=slo.WEBHOOK)


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """At the end, where all is counted: the report, and the exit code."""
    if isinstance(environment.runner, WorkerRunner):
        return
    seen = _seen(environment)
    wanted = slo.objectives(FIRMS.site.constant, FIRMS.dashboards, bool(FIRMS.site.webhook_secret))
    verdicts = slo.judge(wanted, seen)
    told = report(_ran(environment), seen, verdicts)
    print(told)
    file = os.environ.get("MAAS_LOAD_REPORT")
    if file:
        Path(file).write_text(told, encoding="utf-8")
    fallen = environment.runner.exceptions if environment.runner else {}
    held = all(one.held for one in verdicts) and not fallen
    environment.process_exit_code = 0 if held else 1


def _seen(environment: Environment) -> dict[str, Any]:
    """By name; and all calls together, without what was told of some of them besides."""
    stats = environment.stats
    total = StatsEntry(stats, slo.ALL, "")
    for entry in stats.entries.values():
        if entry.method != _TOLD:
            total.extend(entry)
    return {**{entry.name: entry for entry in stats.entries.values()}, slo.ALL: total}


def _ran(environment: Environment) -> Ran:
    total = environment.stats.total
    seconds = (total.last_request_timestamp or total.start_time) - total.start_time
    users = environment.parsed_options.num_users or 0 if environment.parsed_options else 0
    return Ran(users, seconds, FIRMS.upstream, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))
