"""Training: `loop` is the loop on one screen; beside it stands what it calls."""
