"""The commands that the extra ``export`` adds to the command line, one module for each group."""
