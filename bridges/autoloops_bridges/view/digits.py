"""Large figures for what has to be read from afar: three rows of half blocks. Pure."""

from typing import Final

ROWS: Final = 3
# Five rows of dots, the highest first; two of them make a row of characters.
_DOTS: Final = {
    "0": ("###", "# #", "# #", "# #", "###"),
    "1": (" # ", "## ", " # ", " # ", "###"),
    "2": ("###", "  #", "###", "#  ", "###"),
    "3": ("###", "  #", "###", "  #", "###"),
    "4": ("# #", "# #", "###", "  #", "  #"),
    "5": ("###", "#  ", "###", "  #", "###"),
    "6": ("###", "#  ", "###", "# #", "###"),
    "7": ("###", "  #", "  #", "  #", "  #"),
    "8": ("###", "# #", "###", "# #", "###"),
    "9": ("###", "# #", "###", "  #", "###"),
    ".": (" ", " ", " ", " ", "#"),
    " ": ("   ", "   ", "   ", "   ", "   "),
}
_BLOCKS: Final = {(" ", " "): " ", ("#", " "): "▀", (" ", "#"): "▄", ("#", "#"): "█"}


def large(text: str) -> list[str]:
    """Digits, points and blanks as three rows of characters of equal length.

    Raises:
        KeyError: a character has no large form.
    """
    # A blank row of dots on top puts the figures on the base line.
    dots = [" ".join(_DOTS[character][row] for character in text) for row in range(5)]
    dots.insert(0, " " * len(dots[0]))
    return [
        "".join(_BLOCKS[pair] for pair in zip(dots[2 * row], dots[2 * row + 1], strict=True)) for row in range(ROWS)
    ]
