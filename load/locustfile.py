"""Locust users of the mixed load test: programs, people in the dashboard, and Stripe's webhooks.

The deployment comes from the file that MAAS_LOAD_SITE names (`make load` writes it), or from the
one API key in MAAS_API_KEY. The objectives are in load/slo.py.
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
    api_key_secret,
    created_key_id,
    csrf_token,
    is_signed_in,
    new_key_id,
)
from load.mixed_day.firm_rotation import firms_from_environment
from load.mixed_day.report import RunInfo, render_report
from load.mixed_day.stream_timing import StreamFailed, StreamTiming
from load.mixed_day.stripe_events import PATH, EventSender

FIRMS = firms_from_environment()
_REQUEST_TYPE = "SSE"
_OPERATING_POINT = {
    "type": "L",
    "air_temperature": 298.1,
    "process_temperature": 308.6,
    "rotational_speed": 1400,
    "torque": 46.3,
    "tool_wear": 3,
}


class _Program(FastHttpUser):
    """A program that calls with a firm's API key."""

    abstract = True

    def on_start(self) -> None:
        self.firm = FIRMS.next()
        response = self.client.get("/v1/models", headers=self.headers(), name="models")
        # The first model of each task: _OPERATING_POINT fits the first classification model.
        self.models = {model["task"]: model["id"] for model in reversed(response.json()["data"])}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {FIRMS.key_of(self.firm)}"}

    def _chat_body(self, stream: bool) -> dict[str, Any]:
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
    """A firm's programs: chats, embeddings, and predictions for a machine."""

    weight = 8
    wait_time = between(0.1, 1.0)

    @task(4)
    def chat(self) -> None:
        self._post("/v1/chat/completions", self._chat_body(stream=False), slo.CHAT)

    @task(2)
    def embeddings(self) -> None:
        texts = [f"bearing {random.random()} runs hot" for _ in range(4)]
        body = {"model": self.models["embedding"], "input": texts}
        self._post("/v1/embeddings", body, slo.EMBEDDINGS)

    @task(8)
    def predictions(self) -> None:
        rows = [{**_OPERATING_POINT, "torque": random.uniform(20, 70)} for _ in range(16)]
        body = {"model": self.models["classification"], "instances": rows}
        self._post("/v1/predictions", body, slo.PREDICTIONS)

    @task(1)
    def usage(self) -> None:
        self.client.get("/v1/usage?limit=20", headers=self.headers(), name=slo.USAGE)

    def _post(self, path: str, body: dict[str, Any], name: str) -> None:
        self.client.post(path, json=body, headers=self.headers(), name=name)


class Streamer(_Program):
    """A client that reads streamed chats."""

    weight = 4
    wait_time = between(0.1, 1.0)

    @task
    def stream(self) -> None:
        headers = {**self.headers(), "Accept-Encoding": "identity"}
        timing = StreamTiming(time.perf_counter())
        with self.client.post(
            "/v1/chat/completions",
            json=self._chat_body(stream=True),
            headers=headers,
            name=slo.STREAM,
            stream=True,
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
                return
            try:
                # By line: a block would only arrive when it is full.
                timing.read(iter(lambda: response.stream.readline(b"\n"), b""))
            except (StreamFailed, OSError) as error:
                response.failure(str(error))
                return
            # Locust's own response time ends with the headers.
            response.request_meta["response_time"] = 1000 * (
                time.perf_counter() - timing.started_at
            )
        self._report_timing(slo.FIRST_TOKEN, timing.first_token_ms)
        self._report_timing(slo.EACH_TOKEN, timing.token_interval_ms)

    def _report_timing(self, name: str, milliseconds: float | None) -> None:
        if milliseconds is not None:
            self.environment.events.request.fire(
                request_type=_REQUEST_TYPE,
                name=name,
                response_time=milliseconds,
                response_length=0,
                exception=None,
                context={},
            )


class _Person(FastHttpUser):
    """A person who is signed in to the dashboard."""

    abstract = True

    def on_start(self) -> None:
        self.firm = FIRMS.next()
        self.csrf = self._sign_in()

    def open(self, path: str) -> str:
        """Load a page and return its HTML. Counts as failed if the session has ended."""
        with self.client.get(path, name=slo.PAGE, catch_response=True) as response:
            text = response.text or ""
            if response.status_code == 200 and not is_signed_in(text):
                response.failure("not signed in")
            return text

    def send(self, path: str, what: str, **fields: str) -> str:
        """Submit a form and return the HTML of the response."""
        headers = {"Origin": self.host or ""}
        return self.client.post(path, data=fields, headers=headers, name=what).text or ""

    def _sign_in(self) -> str:
        fields = {"email": self.firm.emails[0], "password": PASSWORD, "next": "/dashboard"}
        return csrf_token(self.send("/dashboard/sign-in", slo.SIGN_IN, **fields))


class Reader(_Person):
    """Opens pages and signs in again from time to time."""

    abstract = not FIRMS.has_users
    weight = 2
    wait_time = between(0.5, 3.0)

    @task(40)
    def open_random_page(self) -> None:
        self.open(random.choice(PAGES))

    @task(1)
    def sign_in_again(self) -> None:
        self.send("/dashboard/sign-out", "sign out", csrf=self.csrf)
        self.csrf = self._sign_in()


class Rotator(_Person):
    """Rotates an API key while the firm's programs call with it."""

    # Abstract instead of a fixed count of 0, for which locust would use the default weight.
    abstract = not FIRMS.has_users
    fixed_count = 1
    wait_time = constant(5)

    def on_start(self) -> None:
        super().on_start()
        fields = {"csrf": self.csrf, "id": new_key_id(self.open("/dashboard/keys/new"))}
        self.key = fields["id"]
        self._store_key(
            self.send("/dashboard/keys", "new key", name="rotated under load", **fields)
        )

    @task
    def rotate(self) -> None:
        path = f"/dashboard/keys/{self.key}/rotate"
        self._store_key(self.send(path, slo.ROTATION, csrf=self.csrf, overlap="1"))

    def _store_key(self, page: str) -> None:
        self.key = created_key_id(page)
        FIRMS.replace_key(self.firm, api_key_secret(page))


class Stripe(FastHttpUser):
    """Posts signed Stripe events."""

    abstract = not FIRMS.deployment.webhook_secret
    fixed_count = 1
    wait_time = between(0.05, 0.5)

    def on_start(self) -> None:
        self._events = EventSender(f"day{os.getpid()}_{random.getrandbits(32)}", random.Random())

    @task
    def post(self) -> None:
        body, headers = self._events.next_post(FIRMS.deployment.webhook_secret)
        self.client.post(PATH, data=body, headers=headers, name=slo.WEBHOOK)


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """Print and store the report, and set the exit code to 1 if an objective is missed."""
    if isinstance(environment.runner, WorkerRunner):
        return
    seen = _seen(environment)
    objectives = slo.objectives(
        FIRMS.deployment.constant, FIRMS.has_users, bool(FIRMS.deployment.webhook_secret)
    )
    verdicts = slo.judge(objectives, seen)
    text = render_report(_run_info(environment), seen, verdicts)
    print(text)
    file = os.environ.get("MAAS_LOAD_REPORT")
    if file:
        Path(file).write_text(text, encoding="utf-8")
    exceptions = environment.runner.exceptions if environment.runner else {}
    is_met = all(one.is_met for one in verdicts) and not exceptions
    environment.process_exit_code = 0 if is_met else 1


def _seen(environment: Environment) -> dict[str, Any]:
    """Return locust's statistics by name, and those of all HTTP calls together."""
    stats = environment.stats
    total = StatsEntry(stats, slo.ALL, "")
    for entry in stats.entries.values():
        if entry.method != _REQUEST_TYPE:
            total.extend(entry)
    return {**{entry.name: entry for entry in stats.entries.values()}, slo.ALL: total}


def _run_info(environment: Environment) -> RunInfo:
    """Return the parameters of the run for the report."""
    total = environment.stats.total
    seconds = (total.last_request_timestamp or total.start_time) - total.start_time
    users = environment.parsed_options.num_users or 0 if environment.parsed_options else 0
    return RunInfo(
        users, seconds, FIRMS.upstream, time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    )
