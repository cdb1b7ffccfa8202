"""The records of a run: its folder, checkpoints and logs."""
