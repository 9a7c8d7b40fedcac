"""Output of `maas` commands: results, progress and errors, as text for a terminal or as JSON."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table as RichTable

from gateway.cli.results import Record, Report, Result, Table
from infra.errors import AppError, error_object


class Output:
    """Writes results to a terminal, or one JSON value per result."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        # Output to a file or pipe is not truncated to a terminal's width.
        width = None if sys.stdout.isatty() else 200
        self._console = Console(highlight=False, soft_wrap=True, width=width)
        self._progress: Progress | None = None
        self._stage = ""

    @property
    def is_json(self) -> bool:
        """Whether the output is JSON."""
        return self._json

    @property
    def is_interactive(self) -> bool:
        """Whether stdout is a terminal and the output is not JSON."""
        return self._console.is_terminal and not self._json

    def report_stage(self, stage: str, message: str, fraction: float | None = None) -> None:
        """Report a step of a long operation; `fraction` is its progress (0 to 1), if known."""
        if self._json:
            self._write_json({"stage": stage, "message": message, "fraction": fraction})
        elif self._console.is_terminal:
            self._show_progress(message, fraction)
        elif message != self._stage:
            self._console.print(f"{message} …")
        self._stage = message

    def report_ready(
        self,
        url: str,
        first_key: str | None,
        model: str,
        account: str,
        sign_in: str | None = None,
    ) -> None:
        """Print that the service is ready: its URL, first key, an example call and a sign-in link.

        `account` is an existing account, for the command that creates another key.
        """
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
            fields = {"url": url, "api_key": first_key, "curl": curl, "sign_in": sign_in}
            fields["account"] = account
            self._write_json({"stage": "ready", **fields})
            return
        command_name = _command_name()
        lines = [f"Ready: {url} (API reference: {url}/docs)"]
        if first_key:
            lines += [
                "",
                "Your first API key. It is not shown again:",
                f"  {first_key}",
            ]
        else:
            lines += [
                "",
                f"Create an API key: {command_name} keys create {shlex.quote(account)}",
            ]
        if sign_in:
            lines += [
                "",
                "Open this link once to set your dashboard password:",
                f"  {sign_in}",
            ]
        lines += [
            "",
            "Send a request:",
            f"  {curl}",
            "",
            f"List calls and their cost: {command_name} usage",
            "Press Ctrl-C to stop.",
        ]
        self._console.print("\n".join(lines), markup=False)

    def show(self, result: Result) -> None:
        """Print a command's result."""
        if self._json:
            self._write_json(result.to_json())
            return
        self._end_progress()
        for section in result.sections if isinstance(result, Report) else (result,):
            if isinstance(section, Record):
                self._print_record(section)
            else:
                self._print_table(section)

    def streaming_table(
        self, columns: Sequence[str], widths: Sequence[int]
    ) -> Callable[[Sequence[Mapping[str, Any]]], None]:
        """Print a table's header, and return the function that prints further rows at once.

        JSON output is one object per line.
        """
        if not self._json:
            self._print_row(dict(zip(columns, columns, strict=True)), columns, widths)

        def show_rows(rows: Sequence[Mapping[str, Any]]) -> None:
            """Print rows: as JSON lines, or padded to the column widths."""
            for row in rows:
                self._write_json(dict(row)) if self._json else self._print_row(row, columns, widths)

        return show_rows

    def _print_record(self, record: Record) -> None:
        """Print a title and one line per field."""
        self._console.print(record.title, markup=False)
        for name, value in record.fields.items():
            self._console.print(f"  {name}: {_format_value(value)}", markup=False)

    def _print_table(self, table: Table) -> None:
        """Print a table, or that it has no rows."""
        if not table.rows:
            self._console.print("No results.")
            return
        rendered = RichTable(box=None, pad_edge=False, header_style="bold")
        for column in table.columns:
            rendered.add_column(column, overflow="fold")
        for row in table.rows:
            rendered.add_row(*(_format_value(row.get(column)) for column in table.columns))
        self._console.print(rendered)

    def _print_row(
        self, row: Mapping[str, Any], columns: Sequence[str], widths: Sequence[int]
    ) -> None:
        """Print one row of a streaming table, padded to the column widths."""
        texts = (_format_value(row.get(column)).replace("\n", "; ") for column in columns)
        cells = zip(texts, widths, strict=True)
        line = "  ".join(text.ljust(width) for text, width in cells)
        self._console.print(line.rstrip(), markup=False)
        sys.stdout.flush()

    def render(self, renderable: RenderableType) -> None:
        """Print a Rich renderable to the terminal."""
        self._console.print(renderable, soft_wrap=False)

    def error(self, error: AppError) -> None:
        """Print an error, to stderr unless the output is JSON."""
        self._end_progress()
        if self._json:
            self._write_json({"error": error_object(error)})
        else:
            Console(stderr=True, highlight=False, soft_wrap=True).print(error.message, markup=False)

    def _show_progress(self, message: str, fraction: float | None) -> None:
        """Update the progress bar, starting a new task for a new message."""
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
        """Complete and remove the progress bar."""
        if self._progress is not None:
            for task in self._progress.task_ids:
                self._progress.update(task, total=1, completed=1)
            self._progress.stop()
            self._progress = None

    def _write_json(self, value: Any) -> None:
        """Write one JSON value as a line to stdout."""
        sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _command_name() -> str:
    """Return how to invoke this command: `maas` if it is on the PATH, else its path."""
    return "maas" if shutil.which("maas") else shlex.quote(sys.argv[0])


def _format_value(value: Any) -> str:
    """Format a value for the terminal: lists by commas, a dash for None."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "–" if value is None else str(value)
