"""Lesson 2: from a classifier to a dense map."""
