"""Using a trained network: `segmenter`, large images in tiles, scores, and pictures for files."""
