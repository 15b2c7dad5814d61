"""Lesson 5, losses and metrics: its eight exercises, in the order of the lesson."""

from segcourse.exercises.loss_exercises import CROSS_ENTROPY, FOCAL_LOSS, SOFT_DICE_LOSS
from segcourse.exercises.mask_exercises import DICE_SCORE, THRESHOLD_JACCARD
from segcourse.exercises.matrix_exercises import CONFUSION_MATRIX, IOU_PER_CLASS, MEAN_IOU

EXERCISES = (
    CONFUSION_MATRIX,
    IOU_PER_CLASS,
    MEAN_IOU,
    DICE_SCORE,
    SOFT_DICE_LOSS,
    CROSS_ENTROPY,
    FOCAL_LOSS,
    THRESHOLD_JACCARD,
)
