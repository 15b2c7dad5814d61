"""Lesson 4: dilated convolution and ASPP."""
