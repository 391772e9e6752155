"""The command line: thin, every command with help and an example."""
