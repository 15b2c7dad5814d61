"""Use a trained network: predict images and files, in tiles if large, and evaluate a model."""
