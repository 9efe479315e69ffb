"""AutoLoops' edges: OSC, MIDI, JACK, the processes and the command line."""
