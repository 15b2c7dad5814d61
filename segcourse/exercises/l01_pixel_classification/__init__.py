"""Lesson 1: masks as arrays, a threshold, region growing, features of pixels, pixel accuracy."""
