"""Lesson 6: the skin-lesion project."""
