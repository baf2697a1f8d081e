"""Tables in Markdown."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with a head.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [head, *rows]
    if any(len(row) != len(head) for row in rows):
        raise ValueError(f"every row needs {len(head)} cells")
    text = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(head), *text[1:]])


def percent(share: float) -> str:
    """A share in %, with one decimal.

    >>> percent(0.5)
    '50.0'
    """
    return f"{100 * share:.1f}"


def scientific(value: float) -> str:
    """A relative error: two decimals, or its power of ten where it is small.

    >>> scientific(0.128), scientific(4.2e-7), scientific(0.0)
    ('0.13', '4e-07', '0')
    """
    return "0" if not value else f"{value:.0e}" if value < 1e-3 else f"{value:.2f}"
