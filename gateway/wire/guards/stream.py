"""Check a streamed answer sentence by sentence: text is sent once its sentence is checked.

Text is held back until its sentence is complete, the arguments of a function until all of them have
come. A refused sentence ends its choice with the finish reason `content_filter`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from gateway.wire.guards.answer import CONTENT_FILTER, check_other_fields
from gateway.wire.guards.texts import CheckText, TextRefused, check_arguments, check_texts
from gateway.wire.sse import map_chunks
from models.grounding.sentences import complete_length

_CHUNK = msgspec.json.Decoder(dict[str, Any])
_IDENTITY_FIELDS = ("id", "object", "created", "model", "service_tier")
_encode = msgspec.json.Encoder().encode
# A longer text without an end of a sentence is checked in parts. The end of a part is checked again
# with the next part, because a word or number may continue there.
_MAX_HELD, _OVERLAP = 2_000, 200
# Where a piece of text belongs: a field of the delta, `text`, or the arguments of the n-th call.
_Channel = str | int
_TEXT = "text"
_Choice = dict[str, Any]


@dataclass(slots=True)
class _Held:
    """The text of a choice that is held back, and where it belongs."""

    channel: _Channel = ""
    text: str = ""
    is_refused: bool = False
    is_ended: bool = False


class GuardedStream:
    """The checks of one stream with this number of choices."""

    def __init__(self, check: CheckText, choices: int) -> None:
        self._check = check
        self._expected = choices
        self._held: dict[int, _Held] = {}
        self._identity: dict[str, Any] = {}

    @property
    def has_refused(self) -> bool:
        """Whether a choice was refused."""
        return any(held.is_refused for held in self._held.values())

    @property
    def is_futile(self) -> bool:
        """Whether all choices were refused, so that nothing more will be sent."""
        refused = [held for held in self._held.values() if held.is_refused]
        return len(refused) >= self._expected

    def feed(self, events: bytes) -> bytes:
        """Take complete events of the client's stream and return those that may be sent."""
        return map_chunks(events, self._pass_chunk)

    def end(self) -> bytes:
        """Return the events that may be sent at the end of a stream, also of a broken one."""
        events = []
        for index, held in self._held.items():
            pieces: list[_Choice] = []
            self._checked(index, held, pieces, partial(self._flush, held))
            events += [self._event(piece) for piece in pieces]
        return b"".join(events)

    def _pass_chunk(self, event: bytes) -> bytes:
        """Return the events in place of a chunk; empty if all of it is held back."""
        try:
            chunk = _CHUNK.decode(event[6:])
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return b""  # not UTF-8: no client could read it
        check_other_fields(chunk, self._check)
        choices = chunk.pop("choices", None)
        if not choices:
            return b"data: " + _encode({**chunk, "choices": choices or []}) + b"\n\n"
        self._identity = {name: chunk[name] for name in _IDENTITY_FIELDS if name in chunk}
        passed = [piece for choice in choices for piece in self._pass_choice(choice)]
        return b"".join(
            b"data: " + _encode({**chunk, "choices": [choice]}) + b"\n\n" for choice in passed
        )

    def _pass_choice(self, choice: _Choice) -> list[_Choice]:
        """Return the choices to send in place of one, in order."""
        index = choice.get("index") or 0
        held = self._held.setdefault(index, _Held())
        if held.is_refused or held.is_ended:
            return []
        passed: list[_Choice] = _split_role(choice, index)
        texts, reason = list(_take_texts(choice)), choice.get("finish_reason")

        def release() -> Iterator[tuple[_Channel, str]]:
            """Yield the checked texts that may be sent now."""
            for channel, text in texts:
                yield from self._feed(held, channel, text)
            if reason is not None:
                yield from self._flush(held)
            if isinstance(choice.get("delta"), dict):
                choice["delta"] = check_texts(choice["delta"], self._check)

        if self._checked(index, held, passed, release) and _has_rest(choice):
            choice["logprobs"] = None  # would show text that is held back
            passed.append(choice)
        held.is_ended = reason is not None
        return passed

    def _checked(
        self,
        index: int,
        held: _Held,
        passed: list[_Choice],
        release: Callable[[], Iterator[tuple[_Channel, str]]],
    ) -> bool:
        """Add the released texts to `passed`; if one is refused, the end of the choice."""
        try:
            for channel, text in release():
                if text:
                    passed.append(_piece(index, channel, text))
        except TextRefused:
            held.is_refused, held.text = True, ""
            passed.append({**_piece(index, held.channel, ""), "finish_reason": CONTENT_FILTER})
            return False
        return True

    def _feed(self, held: _Held, channel: _Channel, text: str) -> Iterator[tuple[_Channel, str]]:
        """Take the next text of a choice and yield what may be sent."""
        if channel != held.channel:
            yield from self._flush(held)
            held.channel = channel
        held.text += text
        if isinstance(channel, int):
            return  # arguments are JSON, which is checked as a whole
        length = complete_length(held.text)
        if length:
            complete, held.text = held.text[:length], held.text[length:]
            yield channel, self._check(complete)
        elif len(held.text) > _MAX_HELD:
            yield channel, self._check_part(held)

    def _check_part(self, held: _Held) -> str:
        """Check a long text and return it without its last characters, which stay held back.

        If something in it was masked, all of it is released.
        """
        checked = self._check(held.text)
        if checked != held.text:
            held.text = ""
            return checked
        part, held.text = held.text[:-_OVERLAP], held.text[-_OVERLAP:]
        return part

    def _flush(self, held: _Held) -> Iterator[tuple[_Channel, str]]:
        """Yield the rest of the text that is held back, checked."""
        text, held.text = held.text, ""
        if text and isinstance(held.channel, int):
            yield held.channel, check_arguments(text, self._check)
        elif text:
            yield held.channel, self._check(text)

    def _event(self, choice: _Choice) -> bytes:
        """Return a choice as an event of this stream."""
        return b"data: " + _encode({**self._identity, "choices": [choice]}) + b"\n\n"


def _split_role(choice: _Choice, index: int) -> list[_Choice]:
    """Take the role from a choice's delta; return a choice with it, none without a role."""
    delta = choice.get("delta")
    if not isinstance(delta, dict) or "role" not in delta:
        return []
    return [_delta_choice(index, {"role": delta.pop("role"), "content": ""})]


def _take_texts(choice: _Choice) -> Iterator[tuple[_Channel, str]]:
    """Take the texts from a choice, each with where it belongs."""
    if isinstance(choice.get(_TEXT), str):
        yield _TEXT, choice[_TEXT]
        choice[_TEXT] = ""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return
    for name in [name for name, value in delta.items() if isinstance(value, str)]:
        yield name, delta.pop(name)
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        if isinstance(function.get("arguments"), str):
            yield call.get("index") or 0, function["arguments"]
            function["arguments"] = ""
    calls = [call for call in delta.pop("tool_calls", None) or () if _begins(call)]
    if calls:
        delta["tool_calls"] = calls


def _begins(call: dict[str, Any]) -> bool:
    """Whether a part of a call has its id or name."""
    return bool(call.get("id") or (call.get("function") or {}).get("name"))


def _has_rest(choice: _Choice) -> bool:
    """Whether anything is left of a choice whose texts were taken."""
    return choice.get("finish_reason") is not None or any(
        value is not None for value in (choice.get("delta") or {}).values()
    )


def _piece(index: int, channel: _Channel, text: str) -> _Choice:
    """Return a choice with a piece of text."""
    if channel == _TEXT:
        return {"index": index, _TEXT: text, "logprobs": None, "finish_reason": None}
    if isinstance(channel, int):
        call = {"index": channel, "function": {"arguments": text}}
        return _delta_choice(index, {"tool_calls": [call]} if text else {})
    return _delta_choice(index, {channel: text} if text else {})


def _delta_choice(index: int, delta: dict[str, Any]) -> _Choice:
    """Return a choice of a chat's chunk."""
    return {"index": index, "delta": delta, "finish_reason": None}
