"""What a person sees of `maas`: progress, tables and plain words, or JSON for programs."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.errors import AppError, error_object


class Terminal:
    """Writes for a person, or with `as_json` one JSON value for each thing said."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        # What goes into a file or a pipe is not cut to the width of a terminal that is not there.
        width = None if sys.stdout.isatty() else 200
        self._console = Console(highlight=False, soft_wrap=True, width=width)
        self._progress: Progress | None = None
        self._stage = ""

    @property
    def for_a_person(self) -> bool:
        """Whether somebody watches, who would not want logs between the lines."""
        return self._console.is_terminal and not self._json

    def stage(self, stage: str, message: str, fraction: float | None = None) -> None:
        """A step of a longer work; `fraction` from 0 to 1 where it is known."""
        if self._json:
            self._write({"stage": stage, "message": message, "fraction": fraction})
        elif self._console.is_terminal:
            self._show_progress(message, fraction)
        elif message != self._stage:
            self._console.print(f"{message} …")
        self._stage = message

    def ready(
        self,
        url: str,
        first_key: str | None,
        model: str,
        account: str,
        sign_in: str | None = None,
    ) -> None:
        """The service answers: where, with which key, a line to try it with, and the link by which
        the first person signs in. `account` is one that exists, for a new key."""
        self._end_progress()
        key = first_key or "$MAAS_API_KEY"
        curl = (
            f'curl {url}/v1/chat/completions -H "Authorization: Bearer {key}" '
            "-H 'Content-Type: application/json' "
            f"""-d '{{"model": "{model}", "messages": [{{"role": "system", "content": """
            """"Write this work order in plain text."}, {"role": "user", "content": """
            """"rplce lh eng oil fltr"}], "max_tokens": 40}'"""
        )
        if self._json:
            said = {"url": url, "api_key": first_key, "curl": curl, "sign_in": sign_in}
            said["account"] = account
            self._write({"stage": "ready", **said})
            return
        maas = _maas()
        lines = [f"The service answers on {url} (API docs: {url}/docs)."]
        if first_key:
            lines += ["", "Your first API key, which is shown only now:", f"  {first_key}"]
        else:
            lines += ["", f"To make a new API key: {maas} keys create {shlex.quote(account)}"]
        if sign_in:
            lines += ["", "The dashboard; choose a password by this link, once:", f"  {sign_in}"]
        lines += ["", "Try it:", f"  {curl}", "", f"What it cost: {maas} usage", "Ctrl-C stops it."]
        self._console.print("\n".join(lines), markup=False)

    def record(self, title: str, values: Mapping[str, Any]) -> None:
        """One thing with its fields."""
        if self._json:
            self._write(dict(values))
            return
        self._end_progress()
        self._console.print(title, markup=False)
        for name, value in values.items():
            self._console.print(f"  {name}: {_text(value)}", markup=False)

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Many things; JSON has all fields, a person sees `columns`."""
        if self._json:
            self._write(list(rows))
            return
        if not rows:
            self._console.print("Nothing yet.")
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(_text(row.get(column)) for column in columns))
        self._console.print(table)

    def lines(
        self, columns: Sequence[str], widths: Sequence[int]
    ) -> Callable[[Sequence[Mapping[str, Any]]], None]:
        """A table that goes on: each row is a line at once, in JSON an object a line."""
        if not self._json:
            self._line(dict(zip(columns, columns, strict=True)), columns, widths)

        def show(rows: Sequence[Mapping[str, Any]]) -> None:
            for row in rows:
                self._write(dict(row)) if self._json else self._line(row, columns, widths)

        return show

    def _line(self, row: Mapping[str, Any], columns: Sequence[str], widths: Sequence[int]) -> None:
        texts = (_text(row.get(column)).replace("\n", "; ") for column in columns)
        cells = zip(texts, widths, strict=True)
        line = "  ".join(text.ljust(width) for text, width in cells)
        self._console.print(line.rstrip(), markup=False)
        sys.stdout.flush()

    def show(self, picture: RenderableType) -> None:
        """Something that is laid out already; for a person."""
        self._console.print(picture, soft_wrap=False)

    def error(self, error: AppError) -> None:
        """Why it did not work."""
        self._end_progress()
        if self._json:
            self._write({"error": error_object(error)})
        else:
            Console(stderr=True, highlight=False, soft_wrap=True).print(error.message, markup=False)

    def _show_progress(self, message: str, fraction: float | None) -> None:
        if self._progress is None:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._progress.start()
        if message != self._stage:
            for task in self._progress.task_ids:
                self._progress.update(task, total=1, completed=1)
                self._progress.stop_task(task)
            self._progress.add_task(message, total=None)
        if fraction is not None:
            self._progress.update(self._progress.task_ids[-1], total=1, completed=fraction)

    def _end_progress(self) -> None:
        if self._progress is not None:
            for task in self._progress.task_ids:
                self._progress.update(task, total=1, completed=1)
            self._progress.stop()
            self._progress = None

    def _write(self, value: Any) -> None:
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _maas() -> str:
    """The command as this person can type it: by its path where it is not on the PATH."""
    return "maas" if shutil.which("maas") else shlex.quote(sys.argv[0])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
