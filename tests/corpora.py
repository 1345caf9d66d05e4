"""Files of text that tests share."""


def story(n_paragraphs: int, word: str = "times") -> str:
    """Different paragraphs of about 100 bytes with blank lines between them; another word makes another story."""
    line = f"it was the best of {word}, it was the worst of {word}"
    return "\n\n".join(f"Chapter {number:,}: {line}; and so {number * number:,} went on." for number in range(n_paragraphs))
