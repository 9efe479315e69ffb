"""Text of others on the performer's terminal: arguments of OSC, names of ports and files."""


def printable(text: str) -> str:
    """The text with a blank or a mark in place of whatever breaks a line, commands a terminal or is no character."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)
