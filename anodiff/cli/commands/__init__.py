"""The commands of the command line, one module a topic; each imports what it needs when it is called."""
