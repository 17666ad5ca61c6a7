"""Text of other people's for a terminal."""


def printable(text: str) -> str:
    """Return `text` with what a terminal or log reader could take for more than text escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
