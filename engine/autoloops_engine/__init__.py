"""AutoLoops' real-time core: time, loops, latents, bars, bundles. No sockets, no MIDI, no torch."""
