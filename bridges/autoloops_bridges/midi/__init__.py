"""MIDI: bytes, the MIDI systems of the machine, and their ports."""
