"""Lesson 5: scores and losses."""
