"""Lesson 8: light networks and depth."""
