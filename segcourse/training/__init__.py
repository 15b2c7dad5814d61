"""Training: `loop` holds the whole loop on one screen; the other modules hold what it calls."""
