"""One run, from its start or a checkpoint to its results."""
