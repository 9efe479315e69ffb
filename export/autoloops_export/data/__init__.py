"""From folders of MIDI files to memory-mapped windows, split by tune."""
