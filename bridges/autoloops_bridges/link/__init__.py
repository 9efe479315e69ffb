"""Ableton Link, by the library that the extra `link` installs."""
