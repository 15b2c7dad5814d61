"""Exercises of lesson 9: clicks as maps, GrabCut with clicks, a simulated user, and the number of clicks."""
