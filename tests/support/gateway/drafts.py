"""A text, a question about it, answers that it supports or not, and how tests get them."""

from collections.abc import Callable

TEXT = "Replace the return filter every 500 h; stop at 80 °C."
QUESTION = "How often is the return filter replaced?"
RIGHT, WRONG = "Every 500 h [1].", "Every 600 h [1]."
QUOTATION = f"{TEXT} [1]"


def in_order(*texts: str) -> Callable[[str, str], str]:
    """Answers in this order; none left is an error of the server."""
    left = list(texts)
    return lambda _model, _prompt: left.pop(0)
