"""The live view: what plays, drawn in the terminal, and the keys that act on it."""
