"""Markdown as GitHub reads it: tables, code blocks, text whose signs stay what they are."""

import re
from collections.abc import Iterable, Sequence
from textwrap import fill

WIDEST = 120


def text(words: str) -> str:
    """Plain text with its stars, bars and angle brackets kept; what stands in backticks stays code."""
    parts = words.split("`")
    escaped = [part if code else re.sub(r"([*|<])", r"\\\1", part) for part, code in zip(parts, _alternating(), strict=False)]
    return "`".join(escaped)


def _alternating() -> Iterable[bool]:
    """False, True, False, ...: of what a backtick splits, every second part is code."""
    code = False
    while True:
        yield code
        code = not code


def code(words: str) -> str:
    """Inline code; nothing for nothing."""
    return f"`{words}`" if words else ""


def block(words: str, language: str = "") -> str:
    """A code block."""
    return f"```{language}\n{words}\n```"


def bullets(lines: Iterable[str]) -> str:
    """A list of plain lines."""
    return "\n".join(f"- {text(line)}" for line in lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; columns whose heading begins with `>` are right-aligned."""
    rule = ["--:" if heading.startswith(">") else "---" for heading in headings]
    lines = [[heading.removeprefix(">") for heading in headings], rule, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def link(words: str, heading: str) -> str:
    """A link to a heading of the same page."""
    return f"[{words}](#{anchor(heading)})"


def anchor(heading: str) -> str:
    """GitHub's name for a heading: lower case, words joined by hyphens, other signs dropped."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sourced(words: str) -> str:
    """Text with a link behind every arXiv number and DOI."""
    linked = re.sub(r"\b\d{4}\.\d{4,5}\b", r"[\g<0>](https://arxiv.org/abs/\g<0>)", text(words))
    return re.sub(r"doi (10\.\d{4,}/[\w.\-]+)", r"[doi \1](https://doi.org/\1)", linked)


def equations(words: str) -> str:
    """One equation on each line: broken where a semicolon stands outside of brackets, and where the line is too long."""
    depth, lines = 0, [""]
    for sign in words:
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "\n" or (sign == ";" and depth == 0):
            lines.append("")
        else:
            lines[-1] += sign
    return "\n".join(fill(line.strip(), WIDEST, subsequent_indent="    ", break_long_words=False) for line in lines if line)
