"""Segmentation with clicks: from clicks to maps, simulated users, a network that sees clicks, and its score.

A click is (row, column, label): label 1 on the object, 0 on the background. Methods without a network are in
`segcourse.classical`.
"""

from segcourse.classical.clicks import Click
from segcourse.interactive.clicks import (
    click_by_click,
    clicks_to_map,
    iou_by_click,
    number_of_clicks,
    simulate_click,
)
from segcourse.interactive.network import ClickNet, train_on_clicks
from segcourse.interactive.objects import single_objects

__all__ = [
    "Click",
    "ClickNet",
    "click_by_click",
    "clicks_to_map",
    "iou_by_click",
    "number_of_clicks",
    "simulate_click",
    "single_objects",
    "train_on_clicks",
]
