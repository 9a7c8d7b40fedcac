"""Check the text of a SPARQL query before it is executed.

The store executes queries only, never updates. `SERVICE` would make this machine call other hosts,
so it is refused here, and the process that executes queries cannot open sockets.
"""

import re

from gateway.plant.graph.errors import QueryInvalid

MAX_QUERY_LENGTH = 20_000
# Parts of a query in which a word is not a keyword.
_OTHER = re.compile(
    r"""
      \"\"\"(?:[^"\\]|\\.|"(?!""))*\"\"\"
    | '''(?:[^'\\]|\\.|'(?!''))*'''
    | "(?:[^"\\\n\r]|\\.)*"
    | '(?:[^'\\\n\r]|\\.)*'
    | <[^<>"{}|^`\\\x00-\x20]*>
    | \#[^\n\r]*
    | [?$]\w+
    | \w*:[\w.:%-]*
    """,
    re.VERBOSE,
)
_SERVICE = re.compile(r"\bservice\b", re.IGNORECASE)


def check_query(text: str) -> str:
    """Return a query that may be executed.

    Raises QueryInvalid if the query is empty, too long, or uses `SERVICE`.
    """
    if not text.strip():
        raise QueryInvalid("The query is empty.", param="query")
    if len(text) > MAX_QUERY_LENGTH:
        message = f"A query may have at most {MAX_QUERY_LENGTH} characters."
        raise QueryInvalid(message, param="query")
    if _SERVICE.search(_OTHER.sub(" ", text)):
        raise QueryInvalid("SERVICE is not supported: a query reads one graph.", param="query")
    return text
