"""Text of people and of strangers, whatever it is for."""

from __future__ import annotations


def shorten(text: str, most: int) -> str:
    """``text`` cut to at most ``most`` characters, an ellipsis included: at a space where one is near."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    at_word = cut.rpartition(" ")[0]
    return (at_word if len(at_word) > most // 2 else cut).rstrip(" ,;:–—-") + "…"
