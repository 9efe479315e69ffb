"""What can be controlled: the table of addresses, its dispatch, and the mapping of MIDI controllers onto it."""
