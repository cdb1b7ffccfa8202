"""The command line: one file for the subcommands of a kind, and `main`, which dispatches."""
