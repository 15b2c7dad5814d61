# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: nbgrader,tags,slideshow,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 7 · Deployment: from a trained file to something people use
#
# A trained network is a file. You can't look at a file, and most people who need the network don't have PyTorch. In this lesson
# you turn the file into things that people use. These are pictures, predictions of images of any size, a file for other
# programs, and a web service that a stranger's upload can't bring down.
#
# The lesson has two sittings. **Sitting 1, pictures** (sections 1 to 4) takes about 55 minutes, **sitting 2, other people's
# programs** (sections 5 to 12) about 55 minutes. The lesson builds on lesson 6 and needs no answer of yours from earlier lessons.
# The network comes with the package, so nothing is trained and nothing is downloaded. The cells run for one to two minutes on
# two processor cores.

# %% [markdown]
# ## What you will be able to do
#
# - show a mask on its picture without hiding the picture: `overlay`
# - cut an object out, and give it another background or another colour: `replace_background`
# - predict images that are too large for one forward pass: `tiled_predict`
# - write a network to a file that runs without PyTorch, and check it: `export_onnx`
# - read a picture that a stranger sent, and refuse what isn't one: `decode_upload`

# %%
# On Google Colab, this cell installs the course. Elsewhere it does nothing.
import sys

if "google.colab" in sys.modules:
    try:
        from segcourse.course import colab
    except ImportError:
        # %pip list --format=freeze > installed.txt
        # %pip install --quiet --constraint installed.txt segcourse-*.whl onnx onnxscript onnxruntime flask waitress prometheus-client
        # segcourse-….whl comes from your teacher; upload it first: folder icon on the left
        from segcourse.course import colab
    colab.start()

# %%
import copy
import io
import struct
import time
import warnings
import zlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import nn

import segcourse
from segcourse import check, exercises, load_dataset, show_image
from segcourse.widgets import mask_viewer, play, predict

# %%
torch.set_num_threads(1)  # one thread, as for ONNX Runtime below
segmenter = segcourse.Segmenter.load("lesions", device="cpu")  # or a file of your own
test = load_dataset("lesions", "test", size=160, count=24)
pictures, truths = (np.stack(part) for part in zip(*[test.picture(i) for i in range(len(test))], strict=True))
truth = torch.from_numpy(truths).long()
found = torch.from_numpy(np.stack(segmenter.predict_batch(list(pictures)))).long()
print(f"classes: {', '.join(segmenter.class_names)}; working size: {segmenter.size}")
print(f"mean Dice of {len(test)} drawn lesions: {segcourse.dice_score(found, truth).nanmean():.2f}")

# %% [markdown]
# # Sitting 1 · Pictures
#
# ## 1. Where this ends
#
# ![One lesion in four pictures: as it is, the lesion tinted in orange, the lesion alone on squared paper with a soft edge, and
# the lesion in blue on its own skin.](result.png)
#
# One prediction, and three pictures made with it. The first step is the least visible one. A `Segmenter` is not only a network:
# it holds the size that the network works at, the normalisation, the names and the colours of the classes. Each of these is lost
# when somebody sends you "the weights". How much does that cost?

# %%
pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()  # N, 3, H, W, 0 … 255


@torch.inference_mode()
def dice_of(network, images):
    """Return the mean Dice of a network that gets these images at its working size."""
    logits = network(F.interpolate(images, segmenter.size, mode="bilinear", antialias=True))
    masks = F.interpolate(logits, truth.shape[-2:], mode="bilinear").argmax(dim=1)
    return segcourse.dice_score(masks, truth).nanmean().item()


# %%
choices = {"below 0.5": 0, "0.5 to 0.7": 0.5, "0.7 to 0.85": 0.7, "as before": 0.85}
with predict("The same weights get pixels of 0 … 255, not normalised. The mean Dice?", choices) as reveal:
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (segmenter.mean, segmenter.std))
    right, forgotten = dice_of(segmenter.model, (pixels / 255 - mean) / std), dice_of(segmenter.model, pixels)
    print(f"normalised: {right:.2f}, not normalised: {forgotten:.2f}")
    reveal(forgotten)

# %% [markdown]
# <details><summary>Why doesn't it fail?</summary>
#
# A convolution takes any numbers, so nothing raises an error. The output has the right shape and the right classes. That is the
# trouble with deployment: most mistakes don't stop the program. They make its results worse, and say nothing.
# </details>
#
# So keep the preprocessing with the weights. In a `Segmenter` it is part of the file, and in section 5 it moves into the network.

# %% [markdown]
# ## 2. A tint that hides nothing
#
# The picture that people ask for first is the mask on top of the image. Much code mixes the image with a layer that holds the
# mask's colour, and is black elsewhere.

# %%
image, mask = pictures[0], found[0].numpy()
layer = np.zeros_like(image)
layer[mask == 1] = 230, 159, 0
choices = {"as bright as before": 0.9, "60 % as bright": 0.5, "40 % as bright": 0.3}
with predict("How bright is the skin in 0.6 * image + 0.4 * layer?", choices) as reveal:
    mixed = (0.6 * image + 0.4 * layer).astype(np.uint8)
    share = mixed[mask == 0].mean() / image[mask == 0].mean()
    alt = "A lesion, and the lesion tinted on skin that has become dark."
    show_image([image, mixed], ["image", "0.6 * image + 0.4 * layer"], alt=alt)
    print(f"the skin keeps {share:.0%} of its brightness")
    reveal(share)

# %% [markdown]
# <details><summary>Why?</summary>
#
# The layer is black where there is no lesion, and black counts as a colour: the sum takes 40 % of it everywhere. The weights have to
# depend on the pixel. Inside the mask they are 0.6 and 0.4, outside they are 1 and 0.
# </details>

# %% [markdown]
# ### Exercise 7.1 · `overlay` · difficulty 1 of 3 · 10 minutes · 3 points
#
# Tint the pixels of a mask.
#
# - `image`: a uint8 array H x W x 3, RGB
# - `mask`: an array H x W of bool or any integer type. Every pixel that isn't 0 belongs to the mask: masks are saved with 1, with
#   255, or with several classes. The mask may be empty or full
# - `colour`: a tuple of three numbers 0 to 255, red, green, blue
# - `alpha`: a number from 0 to 1, the share of the colour. 0 leaves the image as it is, 1 paints the plain colour
# - returns a new uint8 array H x W x 3. Inside the mask it is (1 - alpha) times the image plus alpha times the colour, rounded to the
#   nearest whole number (a half may go either way). Outside, the image is unchanged
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. You may use other functions for single steps. An answer never changes its inputs.
#
# <details><summary>Hint 1: one number per pixel, three per colour</summary>
# <code>mask[..., None]</code> is H x W x 1, and NumPy stretches it over the three channels. <code>np.where</code> chooses pixel by
# pixel.
# </details>
# <details><summary>Hint 2: my colours are strange where the image is bright</summary>
# uint8 ends at 255 and starts again from 0. Compute with floats, round, and convert at the end.
# </details>


# %% nbgrader={"grade": false, "grade_id": "overlay", "locked": false, "schema_version": 3, "solution": true, "task": false}
def overlay(image, mask, colour, alpha):
    """Tint an image where its mask isn't 0: a new uint8 array H x W x 3."""
    raise NotImplementedError("Exercise 7.1")


# %% tags=["raises-exception"]
tiny = np.array([[[100, 200, 50], [10, 20, 30]]], np.uint8)
print(overlay(tiny, np.array([[255, 0]], np.uint8), colour=(0, 0, 255), alpha=0.4).tolist())

# %% nbgrader={"grade": true, "grade_id": "check_overlay", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("overlay", overlay)

# %% [markdown]
# ## 3. Edges
#
# The network works at 128 x 128 pixels, and a camera's picture has thousands of rows; ours here has 1024. So the result has to be
# enlarged. There are two ways: take the class of each pixel and enlarge the *labels*, or enlarge the *logits* and take the class
# afterwards.

# %%
photo = load_dataset("lesions", "test", size=1024, count=1).picture(0)[0]
small = F.interpolate(torch.from_numpy(photo).permute(2, 0, 1)[None] / 255, segmenter.size, mode="area")[0]
coarse = segmenter.logits(small)  # 2, 128, 128
labels_first = coarse.argmax(dim=0).numpy().repeat(8, axis=0).repeat(8, axis=1)  # 1024, 1024
logits_first = F.interpolate(coarse[None], (1024, 1024), mode="bilinear")[0].argmax(dim=0).numpy()

# %%
import cv2


def outline_length(mask):
    """Return the length of a mask's outlines in pixels, from pixel to pixel."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return sum(cv2.arcLength(contour, closed=True) for contour in contours)


choices = {"equally long": 0.97, "5 to 15 % longer": 1.05, "15 to 40 % longer": 1.15, "even longer": 1.4}
with predict("Enlarged labels against enlarged logits: how long is the lesion's outline?", choices) as reveal:
    rows, columns = (slice(max(0, int(c) - 120), int(c) + 120) for c in np.argwhere(logits_first)[0])
    parts = [255 * one[rows, columns].astype(np.uint8) for one in (labels_first, logits_first)]
    alt = "A part of two masks: one has steps, the other one has a smooth edge."
    show_image(parts, ["labels enlarged", "logits enlarged"], alt=alt)
    ratio = outline_length(labels_first) / outline_length(logits_first)
    print(f"the outline of the enlarged labels is {ratio - 1:.0%} longer")
    reveal(ratio)

# %% [markdown]
# <details><summary>Why?</summary>
#
# A label is all or nothing, so each small pixel becomes a square, and the outline a staircase. A staircase is longer than the
# slope that it stands for. Enlarging logits fills in values between neighbouring ones. The edge lies where two classes have equal
# logits, and that place can fall between two pixels of the network. So the edge is smoother, but it holds no new detail.
# `Segmenter` enlarges logits. (Enlarging labels *bilinearly* is worse: between class 0 and class 2 it invents class 1, as in
# lesson 1.)
# </details>
#
# Enlarged logits give you one thing more: a *soft* edge. Softmax turns the enlarged logits into probabilities, which run from 0
# to 1 over a few pixels near a clear edge. A cut-out that fades by this number has no jagged border. Where the network is unsure,
# the cut-out is half transparent.

# %% [markdown]
# ### Exercise 7.2 · `replace_background` · difficulty 2 of 3 · 10 minutes · 4 points
#
# Put an object before another background.
#
# - `image`: a uint8 array H x W x 3, RGB
# - `mask`: an array H x W, bool, or float from 0 to 1: the share of the image in each pixel. 1 shows the image, 0 shows the
#   background, and 0.8 shows 0.8 of the image and 0.2 of the background
# - `background`: a uint8 array h x w x 3, RGB, at least as high and as wide as the image. Its middle is used, as it is. Where the
#   number of rows or columns left over is odd, the additional one is at the bottom or right
# - returns a new uint8 array H x W x 3, rounded to the nearest whole number (a half may go either way)
#
# An answer never changes its inputs.
#
# <details><summary>Hint 1: the middle</summary>
# Of h rows, H are used and h - H are left over. Half of them, <code>(h - H) // 2</code>, come before the part that you want.
# </details>
# <details><summary>Hint 2: one line for all masks</summary>
# mask · image + (1 - mask) · background is right for 0, for 1 and for everything in between.
# </details>


# %% nbgrader={"grade": false, "grade_id": "replace_background", "locked": false, "schema_version": 3, "solution": true, "task": false}
def replace_background(image, mask, background):
    """Show the image where its mask is 1 and the background's middle where it is 0; mix in between."""
    raise NotImplementedError("Exercise 7.2")


# %% tags=["raises-exception"]
numbers = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
print(replace_background(tiny, np.array([[1.0, 0.6]]), numbers).tolist())  # 100, 200, 50 and 13, 20, 26

# %% nbgrader={"grade": true, "grade_id": "check_replace_background", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("replace_background", replace_background)

# %% [markdown]
# One function, two pictures that people want. Another background needs a background. Another *colour* needs none: let the recoloured
# image be the foreground, and the image itself the background.

# %% tags=["skip-grading"]
my_background = exercises.yours("replace_background", replace_background)
soft = segmenter.probabilities(pictures[1])[1].numpy()  # 0 … 1
squares = np.full((200, 200, 3), 250, np.uint8)
squares[::16], squares[:, ::16] = (150, 190, 230), (150, 190, 230)
recoloured = pictures[1][..., [2, 1, 0]]  # red and blue exchanged
panels = [
    my_background(pictures[1], soft > 0.5, squares),
    my_background(pictures[1], soft, squares),
    my_background(recoloured, soft, pictures[1]),
]
titles = ["hard edge", "soft edge", "another colour"]
alt = "A lesion cut out with a hard edge, with a soft edge, and in another colour on its skin."
show_image(panels, titles, alt=alt)

# %% [markdown]
# ## 4. Larger than the network
#
# A network has a scale at which it has learned. A sheet with many lesions must not be squeezed into 128 x 128 pixels: each one would
# be a dot. This network could take the whole sheet in one pass. It couldn't take a scan of 20,000 x 20,000 pixels: the result of
# its first layer alone would need 13 GB. So we practise on the sheet: cut it into *tiles*, predict each one, and put the results
# together.

# %% tags=["skip-grading"]
import itertools


def put(sheet, mask_of_sheet, photo, mask, row, column):
    """Put a lesion on a sheet, its middle at a pixel; OpenCV fits its colours in, so that no seam is left."""
    around = cv2.dilate(mask, np.ones((15, 15), np.uint8))
    left, top, width, height = cv2.boundingRect(around)
    part = slice(top, top + height), slice(left, left + width)
    rows, columns = (slice(c - n // 2, c - n // 2 + n) for c, n in ((row, height), (column, width)))
    mask_of_sheet[rows, columns] |= mask[part]
    return cv2.seamlessClone(photo[part], sheet, 255 * around[part], (column, row), cv2.NORMAL_CLONE)


# %% tags=["skip-grading"]
tile, numbers = 128, (0, 2, 5, 6, 8, 9, 11, 12, 13)  # lesions that are small enough for nine on a sheet
skin = load_dataset("lesions", "test", size=384, count=7, difficulties=("empty masks",))
drawn = load_dataset("lesions", "test", size=128, count=14, difficulties=())
sheet, sheet_truth = skin.picture(6)  # without a lesion
for place, i in zip(itertools.product((48, 142, 270), repeat=2), numbers, strict=True):
    sheet = put(sheet, sheet_truth, *drawn.picture(i), *place)
colours = torch.from_numpy(sheet).permute(2, 0, 1) / 255  # 3, 384, 384
scan = (colours - mean) / std


# %% tags=["skip-grading"]
def cuts(logits, overlap):
    """Return the rate of class changes at the tiles' left and right borders, divided by the rate elsewhere."""
    starts = [*range(0, 384 - tile, tile - overlap), 384 - tile]
    at = sorted({s - 1 for s in starts if s} | {s + tile - 1 for s in starts if s + tile < 384})
    ids = logits.argmax(dim=0).numpy()
    differs = (ids[:, 1:] != ids[:, :-1]).mean(axis=0)  # per pair of columns
    return differs[at].mean() / np.delete(differs, at).mean()


def dice_of_sheet(logits):
    """Return the Dice of a prediction for the whole sheet."""
    target = torch.from_numpy(sheet_truth).long()
    return segcourse.dice_score(logits.argmax(dim=0)[None], target[None]).item()


# %% tags=["skip-grading"]
choices = {"as elsewhere": 0, "about twice as often": 1.5, "more than 3 times as often": 3}
with predict("Tiles side by side: how often does the class change at their borders?", choices) as reveal:
    with torch.inference_mode():
        squeezed = F.interpolate(scan[None], tile, mode="bilinear", antialias=True)
        squeezed = F.interpolate(segmenter.model(squeezed), 384, mode="bilinear")[0]
        rows = [torch.stack(row.split(tile, dim=2)) for row in scan.split(tile, dim=1)]
        side_by_side = torch.cat([torch.cat([*segmenter.model(row)], dim=2) for row in rows], dim=1)
    shown = {"the sheet squeezed": squeezed, "tiles side by side": side_by_side}
    titles = ["sheet", *(f"{name}: Dice {dice_of_sheet(one):.2f}" for name, one in shown.items())]
    ids = [255 * one.argmax(dim=0).byte().numpy() for one in shown.values()]
    alt = "Nine lesions on one skin, a mask that runs them together, and a mask with straight cuts."
    show_image([sheet, *ids], titles, alt=alt)
    print(f"{cuts(side_by_side, 0):.1f} times as often")
    reveal(cuts(side_by_side, 0))

# %% [markdown]
# <details><summary>Why?</summary>
#
# At its border a tile sees padding instead of the image. Two neighbours see different parts of one lesion, so they guess
# differently, and a straight cut is left. Let the tiles overlap, and take the mean where several of them cover a pixel. In at least
# one of them, the pixel usually lies further from the border.
#
# The squeezed sheet is worse. Each lesion is a third as wide as in the images from which the network has learned, and several run
# together. Tiles keep the scale. But a tile must look like the images of the training, too. Each of them showed one lesion,
# mostly a whole one, and none showed skin alone. Where a tile holds bare skin and a lesion's edge, it may find a lesion that
# isn't there.
# </details>

# %% [markdown]
# ### Exercise 7.3 · `tiled_predict` · difficulty 2 of 3 · 20 minutes · 5 points
#
# Predict an image tile by tile.
#
# - `model`: gives logits N x C x tile x tile, for any number of classes C, for a batch N x 3 x tile x tile; it takes tiles of this
#   size only. It is in eval mode
# - `image`: a float tensor, 3 x H x W, normalised, on the CPU. H and W are at least `tile`
# - `tile`: an int, the side of a tile; `overlap`: an int from 0 to tile - 1
# - along both axes, tiles start at 0 and then every tile - overlap pixels. A last tile that would pass the border of the image
#   starts earlier, so that it ends at the border. No tile counts twice. With 7 columns, tile 4 and overlap 2, tiles start at 0, 2
#   and 3
# - returns a float tensor C x H x W: in each pixel the mean of the logits of all tiles that cover the pixel. PyTorch records nothing
#   for gradients
#
# An answer never changes its inputs.
#
# <details><summary>Hint 1: where do the tiles start?</summary>
# <code>range(0, side - tile, tile - overlap)</code> has all starts but the last. What is the last one?
# </details>
# <details><summary>Hint 2: a mean of how many?</summary>
# Keep two arrays: the sum of the logits, and how many tiles were added in each pixel. Divide at the end.
# </details>


# %% nbgrader={"grade": false, "grade_id": "tiled_predict", "locked": false, "schema_version": 3, "solution": true, "task": false}
def tiled_predict(model, image, tile, overlap):
    """Return the logits of an image, C x H x W: the mean of those of overlapping square tiles."""
    raise NotImplementedError("Exercise 7.3")


# %% tags=["raises-exception"]
def inside(tiles):
    """Stand in for a network: 0 at the border of each tile, where it sees padding, and 4 inside."""
    return F.pad(torch.full((len(tiles), 1, 2, 2), 4.0), (1, 1, 1, 1))


print(tiled_predict(inside, torch.zeros(3, 4, 7), tile=4, overlap=2)[0, 1])  # 0, 4, 2, 1.33, 4, 2, 0

# %% nbgrader={"grade": true, "grade_id": "check_tiled_predict", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("tiled_predict", tiled_predict)

# %% tags=["skip-grading"]
my_tiles = exercises.yours("tiled_predict", tiled_predict)
sheets = {n: my_tiles(segmenter.model, scan, tile, n) for n in (0, 32, 64)}
blended = segmenter.logits(colours, tile=tile, overlap=64)


# %% tags=["skip-grading"]
choices = ["both get better", "Dice gets better, the cuts stay", "neither gets better"]
rows = {"side by side": (sheets[0], 0), "mean, overlap 32": (sheets[32], 32)}
rows |= {"mean, overlap 64": (sheets[64], 64), "weighted, overlap 64": (blended, 64)}
with predict("Overlap by half a tile: what becomes of the Dice and of the cuts?", choices) as reveal:
    scores = {name: (dice_of_sheet(one), cuts(one, n)) for name, (one, n) in rows.items()}
    masks = [255 * one.argmax(dim=0).byte().numpy() for one, _ in rows.values()]
    captions = [f"{name}: Dice {dice:.2f}, cuts {cut:.1f}" for name, (dice, cut) in scores.items()]
    play({"mask": masks}, list(rows), captions, name="tiles")
    print(*captions, sep="\n")
    dice, cut = np.subtract(scores["mean, overlap 64"], scores["side by side"])
    reveal(choices[2] if dice < 0 else choices[0] if cut < -1 else choices[1])

# %% [markdown]
# <details><summary>Why do the cuts stay?</summary>
#
# The mean is right more often, but a tile still enters it all at once: one pixel further, one more tile has its full say. So the
# mean jumps at every border of every tile. Weights that fall to 0 towards a tile's border let each tile fade in and out.
# `segmenter.predict(image, tile=512)` blends in this way, and in the last picture of the slider the class changes at the borders
# about as often as elsewhere.
#
# Its Dice is the best here, too, but often by little: on one of six such sheets that we tried, the mean was ahead. Squeezing was the
# worst on all of them, and tiles side by side came next.
# </details>
#
# Overlap costs work: with half a tile, nearly every pixel of a large image is predicted four times. Memory is the other cost: for
# 20,000 x 20,000 pixels in float32, the image takes 5 GB and the logits of two classes take 3 GB. So large scans go row by row:
# predict one row of tiles, write the classes, forget the logits.
#
# Before the break, compare a prediction with its truth pixel by pixel: move the opacity, or show what is right and wrong.

# %%
viewer = mask_viewer(pictures[0], truths[0], found[0], palette=segmenter.palette)


# %% [markdown]
# # Sitting 2 · Other people's programs
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 5. A file without Python
#
# Most phones, browsers and C++ programs have no PyTorch. *ONNX* is a file format for networks: a list of operations
# with their weights. ONNX Runtime and many other programs run it. Put the normalisation into the network first. Then no user of
# the file can forget it.


# %%
class Deployed(nn.Module):
    """The network with its normalisation inside: images N x 3 x H x W, 0 … 1, to logits."""

    def __init__(self, segmenter):
        super().__init__()
        self.model = segmenter.model
        self.register_buffer("mean", torch.tensor(segmenter.mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(segmenter.std).view(3, 1, 1))

    def forward(self, images):
        return self.model((images - self.mean) / self.std)


deployed = Deployed(segmenter).eval()


# %% [markdown]
# `torch.onnx.export` calls the network once, on an example, and writes down the operations. Unless you say which axes are free, the
# file takes images of the example's size and batch, and nothing else.
#
# PyTorch has two exporters. The older one (`dynamo=False`) *traces*: it writes down what happens for the example. The newer one
# (`dynamo=True`, the default in newer versions) analyses the program and needs the package `onnxscript`. **Use the older one
# here.** For this lesson's network it takes a second, and the newer one from twenty seconds to some minutes. What it costs:
# PyTorch warns you that it is the older one, and an `if` that depends on a size is decided once, for the example. Both exporters
# can translate an operation inexactly. Section 6 shows one.
#
# Free axes are called `dynamic_axes` in the older one and `dynamic_shapes` in the newer one. The older one exports in eval mode, if
# you say nothing else, and then brings the mode back. The newer one exports the model in the mode in which it comes, and writes the
# weights to a second file unless `external_data=False`.

# %% [markdown]
# ### Exercise 7.4 · `export_onnx` · difficulty 2 of 3 · 20 minutes · 4 points
#
# Write a network to a file. The check runs your function seven times on small networks, and then runs the files. This takes a few
# seconds with the older exporter, and about a minute with the newer one, which the check accepts as well.
#
# - `model`: maps images N x 3 x H x W to logits N x C x H x W. It may come in training mode; the file predicts as in eval
#   mode. Afterwards the model is in the mode in which it came
# - `path`: a string or a `pathlib.Path`, the file to write. The whole network is in it: a copy of this file works alone, in another
#   folder
# - the file has one input, `images`, and one output, `logits`, both float32
# - for the networks of the check, the file takes any batch from 1, any height and width from 8 pixels, and returns the model's own
#   logits for them. Section 6 shows a network for which this is harder
#
# What your function returns is up to you.
#
# <details><summary>Hint 1: the example</summary>
# Any random images will do, two of them for example: <code>torch.rand(2, 3, 64, 48)</code>. Keep its sizes above 1: the
# newer exporter may take an axis of length 1 for one that never changes.
# </details>
# <details><summary>Hint 2: names and axes</summary>
# <code>input_names=["images"]</code>, <code>output_names=["logits"]</code>, and for the older exporter
# <code>dynamic_axes={"images": {0: "batch", …}, …}</code>: axis 0 is the batch, 2 the height, 3 the width.
# </details>


# %% nbgrader={"grade": false, "grade_id": "export_onnx", "locked": false, "schema_version": 3, "solution": true, "task": false}
def export_onnx(model, path):
    """Write a network to one ONNX file that takes any batch, height and width."""
    raise NotImplementedError("Exercise 7.4")


# %% tags=["raises-exception"]
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())  # this lesson's files go here
export_onnx(nn.Conv2d(3, 2, kernel_size=3, padding=1), folder / "tiny.onnx")
print((folder / "tiny.onnx").stat().st_size, "bytes")

# %% nbgrader={"grade": true, "grade_id": "check_export_onnx", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("export_onnx", export_onnx)

# %% [markdown]
# ## 6. The same numbers?
#
# The file holds the same network, or so we hope. *Parity* is a check: the same input goes through both, and the largest difference
# is printed.

# %% tags=["skip-grading"]
from importlib.util import find_spec

ready = find_spec("onnx") and find_spec("onnxruntime")
if ready:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    warnings.simplefilter("ignore")  # of the exporter, and below of Pillow about large pictures
    my_export = exercises.yours("export_onnx", export_onnx)
    my_export(deployed, folder / "network.onnx")
else:
    print("Sections 6 and 7 need more: run `pip install 'segcourse[deploy]'` and restart the kernel.")


# %% tags=["skip-grading"]
def open_file(path):
    """Open an ONNX file on one thread, as PyTorch runs here."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@torch.inference_mode()
def difference(session, *shape):
    """Return how far the file's logits are from PyTorch's, at most."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    (logits,) = session.run(None, {"images": images.numpy()})
    return (torch.from_numpy(logits) - deployed(images)).abs().max().item()


# %% tags=["skip-grading"]
choices = {"by less than 0.001": 0, "by about 0.01": 0.001, "by about 0.1": 0.03, "by more than 1": 1}
if ready:
    session = open_file(folder / "network.onnx")
    print(f"1 image of 128 x 128: they differ by {difference(session, 1, 3, 128, 128):.6f}")
    print(f"3 images of 96 x 160: they differ by {difference(session, 3, 3, 96, 160):.6f}")
    with predict("And an image of 101 x 131 pixels?", choices) as reveal:
        odd = difference(session, 1, 3, 101, 131)
        print(f"1 image of 101 x 131: they differ by {odd:.6f}")
        reveal(odd)

# %% [markdown]
# <details><summary>What happened?</summary>
#
# The difference is as large as the logits themselves, and no error says so. This network's encoder computes the padding of its
# convolutions from the size of its input, with `-(-side // stride)`: half of the side, rounded up. Python's `//` rounds a negative
# number down. The exported division cuts the fraction off instead. So every odd side gets too little padding, and 101 x 131 is
# wrong even in a file whose example had this size. The newer exporter treated this padding no better when this was written.
#
# There are three ways out. Give the file only sizes for which it was checked: our pictures are resized to 128 x 128 anyway. Put that
# resizing into the file. Or write the network so that it is exported rightly: `(side + stride - 1) // stride` has no negative
# number, and `segcourse export` uses a convolution of ONNX that pads by itself.
# </details>
#
# So check parity at a *second* size and a *second* batch, and let one of the sizes be odd. `segcourse export` makes such a check before
# it writes a file.

# %% [markdown]
# ## 7. Eight bits
#
# Weights are numbers of 32 bits. With 8 bits each takes a quarter of the room, and many processors compute faster. *Quantization*
# maps a range of real numbers to 256 whole ones. The range of the weights is known. The range of what flows between the layers
# isn't: some images go through the network, and the largest and smallest numbers are noted. This is called *calibration*.

# %% tags=["skip-grading"]
import logging

logging.getLogger().setLevel(logging.ERROR)


def to_int8(images, target):
    """Write an int8 copy of the ONNX file, calibrated on these images."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        left = iter(images.split(1))

        def get_next(self):
            return next(({"images": one.numpy()} for one in self.left), None)

    types = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    # weights of 7 bits: x86 without VNNI adds two products in 16 bits, and 2 * 255 * 127 exceeds them
    quantize_static(folder / "network.onnx", target, Reader(), per_channel=True, reduce_range=True, **types)


# %% tags=["skip-grading"]
def measured(run):
    """Return the mean Dice, and the milliseconds per image of 128 x 128 pixels."""
    seconds = []

    def timed(images):
        results = []
        for one in images.split(1):
            start = time.perf_counter()
            results.append(run(one))
            seconds.append(time.perf_counter() - start)
        return torch.cat(results)

    return dice_of(timed, pixels / 255), 1000 * float(np.median(seconds))


def runs(path):
    """Return a function from images to logits that runs an ONNX file."""
    session = open_file(path)
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


# %% tags=["skip-grading"]
samples = load_dataset("lesions", "train", size=128, count=32)
lesions = torch.stack([sample.image for sample in samples])
noise = torch.rand(32, 3, 128, 128)
calibrations = {"lesions": lesions, "noise": noise, "lesions in 0 … 255": 255 * lesions}
if ready:
    with predict("Which calibration spoils the int8 file most?", list(calibrations)) as reveal:
        results = {}
        for name, images in calibrations.items():
            to_int8(images, folder / f"{name}.onnx")
            results[name], _ = measured(runs(folder / f"{name}.onnx"))
            print(f"calibrated on {name}: mean Dice {results[name]:.2f}")
        reveal(min(results, key=results.get))

# %% [markdown]
# <details><summary>Why?</summary>
#
# The range is spread over 256 steps. Images that are 255 times too bright make some ranges far too wide. The values of a normal
# image then share a few of the steps, or a single one. The file runs, and draws worse masks, or an empty one. Noise covers the
# same range of inputs and did little harm here; other networks are less forgiving. Calibrate on images as they come in use,
# through the very same preprocessing.
# </details>

# %% tags=["skip-grading"]
choices = {"slower": 0, "about as fast": 0.9, "up to twice as fast": 1.2, "more than twice as fast": 2}
if ready:
    with predict("Against the float32 file, how fast is the int8 file on your machine?", choices) as reveal:
        files = {"ONNX": folder / "network.onnx", "ONNX, int8": folder / "lesions.onnx"}
        ways = {name: runs(file) for name, file in files.items()}
        speed = {name: measured(run) for name, run in {"PyTorch": deployed, **ways}.items()}
        for name, (dice, milliseconds) in speed.items():
            print(f"{name:10}  mean Dice {dice:.2f}, {milliseconds:5.1f} ms per image")
        size, less = (file.stat().st_size / 1e6 for file in files.values())
        print(f"files: {size:.1f} MB, int8 {less:.1f} MB")
        reveal(speed["ONNX"][1] / speed["ONNX, int8"][1])

# %% [markdown]
# <details><summary>Does that hold elsewhere?</summary>
#
# No. Recent processors multiply and add groups of 8-bit numbers in one instruction (VNNI on x86). Older ones need several. There, an
# int8 file may be *slower* than float32. Measure on the machine that will run it, and measure Dice beside it.
# </details>
#
# On a GPU, try half precision first. NVIDIA's TensorRT compiles a network for one type of GPU, in float32, half precision or int8.
# `segcourse export` writes these files, too.

# %% [markdown]
# ## 8. A folder of files
#
# The most frequent wish is the plainest: here are my files, I want their masks and a table. One file of a thousand is
# damaged, and a plain loop stops there.

# %% tags=["skip-grading"]
for i in range(6):
    Image.fromarray(pictures[i]).save(folder / f"lesion{i}.jpg")
(folder / "lesion2.jpg").write_bytes(b"cut off")

table = ["file,share of lesion"]
paths = sorted(folder.glob("*.jpg"))
for path, ids in segmenter.predict_files(paths, on_error="skip", progress=False):
    Image.fromarray(255 * ids).save(path.with_suffix(".png"))  # PNG keeps the numbers, JPEG doesn't
    table.append(f"{path.name},{(ids == 1).mean():.3f}")
(folder / "shares.csv").write_text("\n".join(table))
print(f"{len(paths)} files, {len(table) - 1} masks", *table, sep="\n")


# %% [markdown]
# The damaged file is named in a message, and the other five are done. In a terminal, `segcourse predict photos --out masks` does this
# and draws the pictures.

# %% [markdown]
# ## 9. Bytes from a stranger
#
# A web service gets bytes. They may be a photograph, a web page, half a file, or an attack. How small can a file be that fills a
# gigabyte of memory?


# %%
def bomb(side):
    """Return a PNG file of side x side black pixels, one bit each, without ever holding these pixels."""
    packer, row = zlib.compressobj(9), bytes(1 + -(-side // 8))
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        file += struct.pack(">I", len(content)) + name + content + checksum
    return file


# %%
choices = {"about 40 kB": 0, "about 1 MB": 500, "about 40 MB": 20_000, "about 1 GB": 500_000}
with predict("How large is a PNG file that unpacks to a gigabyte of RGB pixels?", choices) as reveal:
    small_file = bomb(18_000)
    print(f"{18_000**2 * 3 / 1e9:.2f} GB of pixels in {len(small_file) / 1000:.1f} kB")
    reveal(len(small_file) / 1000)

# %% [markdown]
# <details><summary>Why so small?</summary>
#
# With one bit per pixel instead of 24, a gigabyte becomes 40 MB, and deflate writes a thousand equal bytes as one. Such a file is
# called a decompression bomb. A limit on the *bytes* of an upload doesn't help against it. The header of the file says how many
# pixels will come, and reading the header costs nothing. Pillow refuses more than 179 million pixels by itself, but a picture
# just below this limit fills half a gigabyte.
# </details>

# %% [markdown]
# ### Exercise 7.5 · `decode_upload` · difficulty 2 of 3 · 15 minutes · 5 points
#
# Read an upload.
#
# - `data`: any bytes
# - `max_pixels`: an int; at most this many pixels are accepted, rows times columns
# - returns a uint8 array H x W x 3, RGB, of a PNG or JPEG file. Grey pictures and palettes become RGB, and an alpha channel is
#   dropped
# - the picture is turned upright, as its EXIF data say: phones save what the sensor saw, and a note how they were held
# - data that aren't a complete PNG or JPEG file raise a ValueError with a sentence, for the person who sent them. A file of another
#   format (GIF, BMP, TIFF) is such a case, and so is one that is damaged or cut off
# - a picture with more than `max_pixels` raises a ValueError, too. It is refused before its pixels are decoded
#
# The check has no files with 16 bits per channel or in CMYK.
#
# Use Pillow: `Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])` reads the header of a file of these two formats, and no pixel.
# Pillow knows dozens of others, and each of their decoders is one more program that a stranger's bytes can attack. The imports are
# at the top of the lesson.
#
# <details><summary>Hint 1: which errors can come?</summary>
# Many kinds: for damaged files Pillow raises OSError, SyntaxError and others. <code>except Exception as error:</code> and
# <code>raise ValueError("…") from error</code> turn all of them into one.
# </details>
# <details><summary>Hint 2: upright and three channels</summary>
# <code>ImageOps.exif_transpose(image)</code>, then <code>.convert("RGB")</code>, then <code>np.array</code>. In this order, after the
# size has been checked.
# </details>


# %% nbgrader={"grade": false, "grade_id": "decode_upload", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decode_upload(data, max_pixels):
    """Decode an uploaded image file: uint8 H x W x 3. Raise a ValueError for anything else."""
    raise NotImplementedError("Exercise 7.5")


# %% tags=["raises-exception"]
stream = io.BytesIO()
Image.fromarray(tiny).save(stream, "PNG")
print(decode_upload(stream.getvalue(), max_pixels=100).tolist())

# %% nbgrader={"grade": true, "grade_id": "check_decode_upload", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("decode_upload", decode_upload)

# %% [markdown]
# ## 10. A service in fifteen lines
#
# Now everything comes together: bytes in, your decoder, the network, a PNG out. Flask calls the function for each request. Its test
# client calls the service directly, without a port, so you can try it in a notebook.

# %% tags=["skip-grading"]
my_decode = exercises.yours("decode_upload", decode_upload)


def segment(data):
    """Return the answer to an upload: a status, and a PNG mask or a sentence."""
    try:
        picture = my_decode(data, max_pixels=25_000_000)
    except ValueError as error:
        return 400, str(error).encode()  # the sender's mistake, not ours
    stream = io.BytesIO()
    Image.fromarray(255 * segmenter.predict(picture)).save(stream, "PNG")
    return 200, stream.getvalue()


# %% tags=["skip-grading"]
if find_spec("flask"):
    import flask

    app = flask.Flask("lesson7")

    @app.post("/segment")
    def answer_request():
        status, body = segment(flask.request.get_data())
        return flask.Response(body, status, mimetype="image/png" if status == 200 else "text/plain")

    uploads = {"a picture": (folder / "lesion0.jpg").read_bytes(), "a web page": b"<html>"}
    uploads["a bomb"] = bomb(13_000)  # below Pillow's own limit: your decoder has to refuse it
    for name, data in uploads.items():
        reply = app.test_client().post("/segment", data=data)
        print(f"{name:12} {reply.status_code}, {len(reply.data)} bytes, {reply.mimetype}")
else:
    print("This cell needs Flask: run `pip install 'segcourse[deploy]'` and restart the kernel.")

# %% [markdown]
# A status of 400 says "your mistake" (413 and 415 are more exact: too large, wrong format), 500 says "ours". A service that
# answers 500 to a bad upload wakes its operator at night.
#
# What is missing for real use? A limit on bytes and on time, a queue that says "come back later" when it is full (503), several
# requests in one batch, and a server for production in place of Flask's own. `segcourse serve` has these, and a page on which you
# drop a picture.

# %% [markdown]
# ## 11. When it goes wrong
#
# Three mistakes that are common in real services, each with its symptom. Read the symptom, find the line, repair it in place and run
# the cell again. Nothing here is graded.
#
# ### 11.1 "The same picture gets another mask when others come with it"

# %%
service = copy.deepcopy(segmenter.model)
service.train()
batch = (pixels[:8, :, :128, :128] / 255 - mean) / std
with torch.inference_mode():
    alone, together = service(batch[:1])[0], service(batch)[0]
print(f"the first picture's logits differ by {(alone - together).abs().max():.4f} (after the repair: 0.0000)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Two kinds of layers act differently in training. One looks at the whole batch, and one at chance. The others see one picture at
# a time.
# </details>
#
# ### 11.2 "We saved three classes, and our client found dozens"

# %%
ids = 100 * np.random.default_rng(0).integers(0, 3, (16, 16)).astype(np.uint8)
stream = io.BytesIO()
Image.fromarray(ids).save(stream, "JPEG")
values = np.unique(np.array(Image.open(stream)))
print(f"{len(values)} different values come back (after the repair: 3)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Which formats keep every number? JPEG stores a picture as a sum of waves and rounds
# the waves, so each pixel comes back a little different. The eye forgives that in a photograph. Labels don't.
# </details>
#
# ### 11.3 "In production it is a little worse than in the notebook"

# %%
scores = []
for picture, target in zip(pictures, truth, strict=True):
    file = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]  # as a file on the disk
    read = cv2.imdecode(file, cv2.IMREAD_COLOR)
    mask = torch.from_numpy(segmenter.predict(read)).long()
    scores.append(segcourse.dice_score(mask[None], target[None]).item())
print(f"mean Dice {np.nanmean(scores):.3f} (after the repair: as above section 1)")

# %% [markdown]
# <details><summary>Where to look</summary>
# In which order does OpenCV read the channels? A lesion on blue skin is still darker than the skin, so the network finds most of it.
# </details>

# %% [markdown]
# ## 12. In five lines
#
# 1. Size, normalisation, classes and colours belong to the weights. Without them the file runs, and its masks are worse.
# 2. Enlarge logits, not labels. The edge can then fall between two pixels of the network.
# 3. Tiles see padding at their borders, and only a part of the image. Let them overlap, and let each fade out at its border.
# 4. An exported file may be right at the example's size and wrong at others. Check parity at a second size and batch.
# 5. Read the header before the pixels, and answer a stranger's mistake with a sentence.
#
# | you want | use |
# | --- | --- |
# | a picture for a report | an overlay, or an outline if the border matters |
# | a large scan | tiles that overlap and fade out at their borders, written row by row |
# | a program without Python | ONNX, with normalisation inside |
# | more speed on a processor | ONNX Runtime first, then int8 with real calibration images |
# | more speed on a GPU | half precision, then an engine that TensorRT compiles |
# | a web page for others | `segcourse serve` |
#
# **Read on.** Ronneberger, Fischer and Brox 2015, *U-Net* (arXiv 1505.04597), figure 2: the overlap-tile strategy. Jacob et al.
# 2018, *Quantization and training of neural networks for efficient integer-arithmetic-only inference* (arXiv 1712.05877), section
# 2: what int8 means. The ONNX Runtime documentation on quantization, and PyTorch's on `torch.onnx`. OWASP's *File Upload Cheat
# Sheet*: what else strangers send.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("07_deployment.ipynb")
