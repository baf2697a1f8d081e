"""The numbers in the prose of a page: what no code, no heading, no name and no piece made from records accounts for."""

import re
from collections.abc import Iterable

LEFT_OUT = (
    r"<!-- (?!end)\w+ -->\n.*?<!-- end -->",  # made from records
    r"^```.*?^```$",
    r"(?<=\n\n)(?: {4}[^\n]*\n)+",  # indented code
    r"^#+ [^\n]*$",
    r"<!--.*?-->",
    r"`[^`\n]+`",
    r"\[[^\]]*\]\([^)]*related_work\.md[^)]*\)",  # citations have years
    r"\]\([^)]*\)",
    r"\b[A-Za-z]+\d\w*",  # names such as p4m
)
NUMBER = re.compile(r"\d[\d,.]*(?<![,.])")


def numbers(page: str, allowed: Iterable[str] = ()) -> list[str]:
    """Each number in the prose of a page with what stands around it; phrases that are allowed are passed over.

    >>> numbers("It is right on 92 % of `n = 3` digits.\\n<!-- x -->\\n93\\n<!-- end -->\\n")
    ['92: is right on 92 % of']
    """
    text = page
    for pattern in LEFT_OUT:
        text = re.sub(pattern, " ", text, flags=re.M | re.S)
    text = " ".join(text.split())
    for phrase in sorted(allowed, key=len, reverse=True):
        text = text.replace(phrase, " ")
    return [f"{m[0]}: {text[max(0, m.start() - 12) : m.end() + 5].strip()}" for m in NUMBER.finditer(text)]
