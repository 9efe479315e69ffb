"""Musical time: the timeline, quantisation and the transport."""
