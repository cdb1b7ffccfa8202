"""What a run keeps: its folder, checkpoints and logs."""
