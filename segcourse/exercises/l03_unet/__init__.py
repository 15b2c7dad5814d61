"""Lesson 3: the U-Net and its blocks."""
