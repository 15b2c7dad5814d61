"""Segmentation with clicks: from clicks to maps, simulated users, a network that sees clicks, and its score.

A click is (row, column, label): label 1 on the object, 0 on the background. Methods without a network are in
`segcourse.classical`.
"""

from segcourse.interactive.clicks import Click, clicks_to_map, number_of_clicks, simulate_click
from segcourse.interactive.network import ClickNet, train_on_clicks

__all__ = ["Click", "ClickNet", "clicks_to_map", "number_of_clicks", "simulate_click", "train_on_clicks"]
