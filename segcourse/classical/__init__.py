"""Methods without a network: threshold, region growing, k-means, random forest, GrabCut.

Images have any format of `plotting.formats`; masks are int64 tensors H×W, as everywhere in the course. Every
method is deterministic: random numbers come from a fixed seed.
"""

from segcourse.classical.clustering import kmeans
from segcourse.classical.cutting import grabcut, grabcut_clicks
from segcourse.classical.forest import PixelForest, pixel_features
from segcourse.classical.growing import grow_from_clicks, grow_region
from segcourse.classical.threshold import otsu, otsu_threshold

__all__ = [
    "PixelForest",
    "grabcut",
    "grabcut_clicks",
    "grow_from_clicks",
    "grow_region",
    "kmeans",
    "otsu",
    "otsu_threshold",
    "pixel_features",
]
