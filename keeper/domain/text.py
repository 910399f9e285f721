"""Foreign text, made fit for a message."""

from __future__ import annotations


def shown(value: object, limit: int = 60) -> str:
    """The value as Python writes it, cut to ``limit`` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def printable(text: str, limit: int = 200) -> str:
    """Foreign words on one line without control characters, cut to ``limit``: what others say is not to be trusted with a terminal."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
