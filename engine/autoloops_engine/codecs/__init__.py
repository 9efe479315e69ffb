"""What tokens mean: bars of notes to and from the steps that models read and write. Pure."""
