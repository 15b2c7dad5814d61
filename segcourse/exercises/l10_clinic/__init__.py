"""Lesson 10, the clinic: ten broken pipelines to repair."""
