"""Lesson 5, losses and metrics: its eight exercises, in the order of the lesson."""

from segcourse.exercises import mask_exercises, matrix_exercises

EXERCISES = (*matrix_exercises.EXERCISES, *mask_exercises.EXERCISES)
