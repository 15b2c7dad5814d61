"""Exercises of lesson 7: pictures, tiles, files for other programs, and uploads."""
