"""AutoLoops' model workshop: data, training, evaluation and export. The only place with torch."""
