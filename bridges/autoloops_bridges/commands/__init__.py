"""The commands of the command line, one module each; a command imports what is heavy only when it runs."""
