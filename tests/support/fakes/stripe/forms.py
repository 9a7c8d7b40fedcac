"""Form encoding with brackets: `lines[0][amount]=5` as nested mappings of texts.

Owns the syntax only: which mapping is meant as a list, and what a text stands for, is the
parameter's type to say. See `closing`.
"""

import re
from urllib.parse import parse_qsl

from tests.support.fakes.stripe.refusals import invalid

Form = dict[str, "str | Form"]
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def decode(text: str) -> Form:
    """The names and values of a body or query; `a[]=x` counts up as `a[0]`, `a[1]`."""
    form: Form = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _put(form, _path(name), value)
    return form


def _path(name: str) -> list[str]:
    match = _NAME.match(name)
    if match is None:
        raise invalid(f"Invalid parameter name: {name}", began=False)
    return [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]


def _put(form: Form, path: list[str], value: str) -> None:
    *parents, last = path
    for key in parents:
        inner = form.setdefault(key or str(len(form)), {})
        if isinstance(inner, str):
            raise invalid(f"Invalid parameter: {path[0]}", param=path[0], began=False)
        form = inner
    form[last or str(len(form))] = value
