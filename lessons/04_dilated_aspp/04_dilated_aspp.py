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
# # Lesson 4 · DeepLab: see far, keep the map
#
# A grey pixel of a street scene may be road, car or wall. Only its surroundings tell, and they may be far away.
# Lesson 3 saw far by making the map small, and brought the detail back with skips. DeepLab goes another way: it
# spreads the nine weights of a 3 x 3 kernel apart. This is *dilated* (or *atrous*) convolution, and most of this
# lesson is about what it does and where it silently does nothing.
#
# The lesson has two sittings. **Sitting 1, dilation** (sections 1 to 6) takes about 55 minutes. **Sitting 2,
# DeepLab** (sections 7 to 14) takes about 45 minutes. You need a little PyTorch: you have written an `nn.Module`
# before. The cells run for two to three minutes on two processor cores. The streets are drawn by code,
# `load_dataset("scenes")`, so the lesson works offline. Section 9 uses your own photograph if you have one, and a
# network that learned from real photographs if it can be had.

# %% [markdown]
# ## What you will be able to do
#
# - say how many pixels a dilated kernel spans: `effective_kernel_size`
# - compute what one number at the end of a network has seen: `receptive_field`
# - write a dilated convolution, tap by tap: `dilated_conv2d`
# - notice when a dilated kernel is no more than a 1 x 1 kernel: `live_taps`
# - build the head of DeepLabV3, which looks at a map at several scales: `ASPP`

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

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import segcourse
from segcourse import check, exercises, load_dataset, show_image, show_results
from segcourse.course import ladder
from segcourse.course.trials import compare
from segcourse.inference.street import VEHICLES, load_street_model, shares, street_photograph
from segcourse.models import count_parameters
from segcourse.models.encoders import create_encoder
from segcourse.plotting import overlay, show_bars, show_curves
from segcourse.widgets import mask_viewer, play, predict, receptive_field_explorer

# %%
torch.manual_seed(0)
torch.set_num_threads(1)  # networks as small as ours are faster with one thread
streets = load_dataset("scenes", "test", size=(192, 256), count=24)
street = streets[23]  # .image (3 x H x W), .mask (H x W, class ids, 255 is void), .name

# %% [markdown]
# # Sitting 1 · Dilation
#
# ## 1. Where this leads
#
# ![Three streets that the network has not seen, each with its true mask, the predicted mask and a map of right and wrong
# pixels. Road, buildings and sky are found, trees and cars in part; poles and persons are not.](result.png)
#
# Three streets that the network has not seen, and what it makes of them. In section 8 you train it. Sections 2 to 7
# build the part of it that is new.

# %% [markdown]
# ## 2. What one pixel tells
#
# Below is a square of 9 x 9 pixels, cut from a street. Which class does its central pixel have?


# %%
def around(image, row, column, reach):
    """Cut a square from an image, `reach` pixels to each side, and enlarge it."""
    square = image[:, row - reach : row + reach + 1, column - reach : column + reach + 1]
    return F.interpolate(square[None], size=(240, 240), mode="nearest")[0]


row, column = 130, 191
show_image(around(street.image, row, column, 4), "9 x 9 pixels", alt="A square of nearly uniform grey green.")

# %%
with predict("Which class is the pixel in the middle?", streets.class_names) as reveal:
    panels = [around(street.image, row, column, reach) for reach in (4, 20, 60)]
    titles = ["9 x 9 pixels", "41 x 41 pixels", "121 x 121 pixels"]
    show_image(
        panels, titles, alt="The same place in three sizes: grey, then part of a side, then a vehicle."
    )
    reveal(streets.class_names[street.mask[row, column]])

# %% [markdown]
# <details><summary>Why is this hard?</summary>
#
# Nothing inside the small square says what it is. Wheels, windows and the outline do, and some of them are dozens of pixels away.
# A network that decides about this pixel has to see that far.
# </details>
#
# You know two ways to see that far: many layers, or a smaller map. The third way
# changes the kernel. A *dilation* of 2 moves the nine weights (we call them *taps*) two pixels apart, a dilation of 18
# moves them 18 pixels apart. There are still nine weights. How far does one layer see then?


# %%
def pixels_seen(layers, side):
    """Return the map (side x side) of the input pixels that can change the central output pixel."""
    x = torch.rand(1, 1, side, side, requires_grad=True)
    layers(x)[0, 0, side // 2, side // 2].backward()
    return x.grad[0, 0] != 0


def conv(dilation):
    """Return a 3 x 3 convolution that keeps the size."""
    return nn.Conv2d(1, 1, kernel_size=3, padding=dilation, dilation=dilation)


# %%
question = "A 3 x 3 kernel with dilation 18: how many pixels does it span from side to side?"
with predict(question, ["20", "37", "54", "55"]) as reveal:
    spans = {}
    for dilation in (1, 2, 3, 6, 12, 18):
        seen = pixels_seen(conv(dilation), side=61)
        columns = seen.any(dim=0).nonzero()
        spans[dilation] = int(columns.max() - columns.min()) + 1
        print(f"dilation {dilation:2}: {int(seen.sum())} pixels seen, {spans[dilation]} from side to side")
    reveal(str(spans[18]))

# %% [markdown]
# ### Exercise 4.1 · `effective_kernel_size` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Write the formula behind the list above, for kernels of any size.
#
# - `kernel`: an int, the number of taps along one axis, at least 1 (also an even number); `dilation`: an int, the step
#   from one tap to the next in pixels, at least 1. Dilation 1 is an ordinary kernel
# - returns an int: how many pixels the kernel spans along this axis, from its first to its last tap, both counted
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. Other functions may be steps on the way. An answer never changes its inputs.
#
# <details><summary>Hint 1: where do I start?</summary>
# Draw the taps of a kernel of 3 and of 4 on squared paper, with dilation 2. How many steps are there between the first
# and the last tap?
# </details>


# %% nbgrader={"grade": false, "grade_id": "effective_kernel_size", "locked": false, "schema_version": 3, "solution": true, "task": false}
def effective_kernel_size(kernel, dilation):
    """Return how many pixels a kernel spans along one axis, from its first to its last tap, an int."""
    raise NotImplementedError("Exercise 4.1")


# %% tags=["raises-exception"]
print(effective_kernel_size(3, 2))

# %% nbgrader={"grade": true, "grade_id": "check_effective_kernel_size", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("effective_kernel_size", effective_kernel_size)

# %% [markdown]
# ## 3. Layers in a row
#
# What one number at the end of a network can see is its *receptive field*. Suppose that a car is 63 pixels wide, and
# that the whole of it should be in view. Here are 3 x 3 layers with dilation 1, 1, 1, … and with dilation 1, 2, 4, …

# %%
question = "How many plain 3 x 3 layers see 63 pixels? Five layers do, with dilations 1, 2, 4, 8 and 16."
with predict(question, ["6", "15", "31", "63"]) as reveal:
    fields = {"dilation 1": [], "dilations 1, 2, 4, …": []}
    for count in range(1, 32):
        plain = nn.Sequential(*[conv(1) for _ in range(count)])
        fields["dilation 1"].append(int(pixels_seen(plain, 127).any(dim=0).sum()))
    for count in range(1, 6):
        growing = nn.Sequential(*[conv(2**step) for step in range(count)])
        fields["dilations 1, 2, 4, …"].append(int(pixels_seen(growing, 127).any(dim=0).sum()))
    for name, seen in fields.items():
        print(
            f"{name:21} sees {', '.join(map(str, seen[:5]))} … and {seen[-1]} pixels with {len(seen)} layers"
        )
    reveal(str(fields["dilation 1"].index(63) + 1))

# %% [markdown]
# <details><summary>Why?</summary>
#
# A plain 3 x 3 layer adds one pixel on each side, two in all. A layer with dilation 4 adds four on each side. Dilations
# that double make the field double, at the price of nine weights per layer.
# </details>
#
# A *stride* is the other way to grow: after a layer with stride 2, neighbours on the map lie two input pixels apart, so
# that every later tap reaches twice as far. The *output stride* of an encoder is the product of its strides: how many
# input pixels lie between neighbours of its last map.

# %% [markdown]
# ### Exercise 4.2 · `receptive_field` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Count what one number at the end of a stack of layers sees.
#
# - `layers`: a list of tuples (kernel, stride, dilation), the layer that looks at the input first; each an int of at
#   least 1. The list may be empty
# - returns an int: along one axis, the number of input pixels from the first to the last that one output pixel sees. Pixels
#   between two taps count as seen, too. Ignore the borders of the picture. Without any layer, a pixel sees itself: 1
#
# <details><summary>Hint 1: one layer at a time</summary>
# Start with one pixel seen. Each layer adds the distance between its first and its last tap.
# </details>
# <details><summary>Hint 2: right without strides, wrong with them</summary>
# Keep a second number: how many input pixels lie between two neighbours on the current map. The distance between taps is
# counted in these steps. A layer's own stride changes the step only for the layers after it.
# </details>


# %% nbgrader={"grade": false, "grade_id": "receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def receptive_field(layers):
    """Return how many input pixels one output pixel sees along one axis, an int."""
    raise NotImplementedError("Exercise 4.2")


# %% tags=["raises-exception"]
print(receptive_field([(3, 1, 1), (3, 1, 1)]), receptive_field([(3, 2, 1), (3, 1, 1)]))

# %% nbgrader={"grade": true, "grade_id": "check_receptive_field", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("receptive_field", receptive_field)

# %% [markdown]
# ### Stride or dilation: the same weights
#
# An encoder for classification ends with an output stride of 32: a 256 x 256 picture becomes a map of 8 x 8. DeepLab
# removes the last strides and dilates the layers after them instead. Each weight then meets the same pixels as before,
# but the map does not get smaller.

# %%
question = "Output stride 8 instead of 32: how many more parameters does the encoder have?"
with predict(question, ["none", "4 times as many", "16 times as many"]) as reveal:
    sizes, picture = {}, torch.rand(1, 3, 256, 256)
    for output_stride in (32, 16, 8):
        encoder = create_encoder("small", output_stride=output_stride).eval()
        sizes[output_stride] = count_parameters(encoder)
        last = encoder(picture)[-1]
        print(
            f"output stride {output_stride:2}: {sizes[output_stride]:,} parameters, a map of", *last.shape[2:]
        )
    reveal("none" if sizes[8] == sizes[32] else "16 times as many")

# %% [markdown]
# So weights that were trained at output stride 32 can be used at 8. That is how DeepLab uses networks trained on ImageNet.
# It isn't free: the last map has 16 times as many pixels, and every one of them costs time and memory.

# %% [markdown]
# ## 4. Tap by tap
#
# What does a dilated kernel compute? For each output pixel, the sum of nine products: weight times pixel, where the
# pixels lie `dilation` rows and columns apart. Turn that around: take one tap at a time. Tap (i, j) multiplies *the
# whole picture*, shifted by `dilation * i` rows and `dilation * j` columns, by one weight. Nine shifted pictures, added
# up, are the convolution.

# %%
picture = street.image.mean(dim=0)
sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]  # answers to vertical edges
edges = {rate: F.conv2d(picture[None, None], sobel, dilation=rate)[0, 0].abs() for rate in (1, 4, 12)}
titles = [f"edges, dilation {rate}: {tuple(one.shape)}" for rate, one in edges.items()]
panels = [picture, *(one / one.max() for one in edges.values())]
show_image(
    panels,
    ["the street", *titles],
    alt="A street in grey and its vertical edges: thin with dilation 1, wide bands with 12.",
)

# %% [markdown]
# The larger the dilation, the wider the answer: the edge between a wall and the sky becomes a wide band, and a thin pole
# shows twice, once on its left and once on its right. Without padding, the result also gets smaller.

# %% [markdown]
# ### Exercise 4.3 · `dilated_conv2d` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Write the dilated convolution yourself.
#
# - `x`: float tensor, N x C x H x W; `weight`: float tensor, O x C x k x k, where k may be any number from 1 up
# - `dilation`: an int of at least 1. Tap (i, j) reads the pixel `dilation * i` rows below and `dilation * j` columns to
#   the right of where the tap (0, 0) reads. The kernel is not flipped (as in PyTorch)
# - no padding and no stride: the result has one pixel for each place where all taps lie inside the picture (there is at
#   least one)
# - returns a float tensor, N x O x (H - dilation * (k - 1)) x (W - dilation * (k - 1)): for each picture and each of the
#   O kernels, the sum over all taps and all C channels
#
# `F.conv2d` and `nn.Conv2d` may be used without their argument `dilation`. Loops over taps are fine, and so are other
# functions, such as `F.unfold`.
#
# <details><summary>Hint 1: one tap</summary>
# For one tap, cut out the part of the picture that this tap meets: it starts at row <code>dilation * i</code> and has as
# many rows as the result.
# </details>
# <details><summary>Hint 2: channels</summary>
# <code>weight[:, :, i, j]</code> is an O x C matrix. <code>torch.einsum("oc,nchw->nohw", matrix, part)</code> applies it to
# every pixel.
# </details>


# %% nbgrader={"grade": false, "grade_id": "dilated_conv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dilated_conv2d(x, weight, dilation):
    """Convolve N x C x H x W with O x C x k x k, taps `dilation` pixels apart, without padding."""
    raise NotImplementedError("Exercise 4.3")


# %% tags=["raises-exception"]
x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)  # 1 2 3 / 4 5 6 / 7 8 9
print(dilated_conv2d(x, torch.ones(1, 1, 2, 2), dilation=2))  # the four corners: 1 + 3 + 7 + 9

# %% nbgrader={"grade": true, "grade_id": "check_dilated_conv2d", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("dilated_conv2d", dilated_conv2d)

# %% [markdown]
# ## 5. The holes in the field
#
# Three layers with dilation 2 have a receptive field of 13 x 13 pixels. But do they look at all of it? Paint the pixels
# that the centre depends on, with the mouse or with the arrow keys and the space bar. Then press *Show me*, and play the
# layers one by one. You can also choose other dilations.

# %%
explorer = receptive_field_explorer([2, 2, 2])

# %%
question = "Three 3 x 3 layers with dilation 2: how many of the 169 pixels of their field do they use?"
with predict(question, ["169", "85", "49", "27"]) as reveal:
    fields = {}
    for dilations in ((2, 2, 2), (1, 2, 4)):
        seen = pixels_seen(nn.Sequential(*[conv(dilation) for dilation in dilations]), side=17)
        box = (
            2 * int((seen.any(dim=0).nonzero() - 8).abs().max()) + 1
        )  # from the first to the last, holes too
        name = ", ".join(map(str, dilations))
        fields[f"{name}: {int(seen.sum())} of {box * box}"] = seen.float()
        print(f"dilations {name}: {int(seen.sum())} of {box} x {box} = {box * box} pixels")
        if dilations == (2, 2, 2):
            reveal(str(int(seen.sum())))
    big = [seen.repeat_interleave(12, 0).repeat_interleave(12, 1) for seen in fields.values()]
    show_image(big, list(fields), alt="Left a grid of single pixels with holes between, right a full square.")

# %% [markdown]
# <details><summary>Why?</summary>
#
# With dilation 2 everywhere, a pixel meets only pixels whose row and column differ from its own by an even number. Its
# direct neighbour belongs to another grid, and the two grids never exchange anything. The output can then look like a
# checkerboard, which is called *gridding*. Dilations 1, 2, 4 fill the square: 225 of 225.
# </details>
#
# So the dilations of layers in a row must not *all* share a factor: 2, 4, 8 leaves holes, 1, 2, 4 does not. That alone is
# not enough, 6, 1, 6 leaves holes too (Wang et al. 2018 give a stricter rule). DeepLab's rates 6, 12 and 18 share the factor
# 6. But these kernels work side by side, not one after the other.

# %% [markdown]
# ## 6. Nine weights, one of them alive
#
# DeepLabV3 puts 3 x 3 kernels with rates 6, 12 and 18 on the encoder's last map. (A *rate* is a dilation.) With padding
# the map keeps its size: where a tap falls outside, it meets a zero. Now take a 256 x 256 picture and an encoder with
# output stride 32. Its last map has 8 x 8 pixels.


# %%
def weights_in_use(side, rate):
    """Return how many of the nine weights can change any number of the output: those with a gradient."""
    layer = nn.Conv2d(1, 1, kernel_size=3, padding=rate, dilation=rate)
    layer(torch.rand(1, 1, side, side)).sum().backward()
    return int((layer.weight.grad != 0).sum())


# %%
question = "How many of the nine weights are in use with rate 12 on a map of 8 x 8?"
with predict(question, ["9", "6", "4", "1"]) as reveal:
    rates = list(range(1, 37))
    alive = {f"map of {side} x {side}": [weights_in_use(side, r) for r in rates] for side in (8, 16, 33)}
    show_curves(alive, rates, xlabel="rate", ylabel="weights in use, of 9", ylim=(0, 9.5))
    reveal(str(weights_in_use(8, 12)))

# %% [markdown]
# <details><summary>Why?</summary>
#
# From one side of 8 pixels to the other it is 7 steps. A tap that is 12 pixels away from the middle one lies outside the
# map, wherever the kernel stands. Only the middle tap is left, and the layer is a plain 1 x 1 convolution with eight
# weights that are never trained.
# </details>
#
# Nothing warns you. The network trains, and its parameters are counted. Take an EfficientNet with output stride 32, an ASPP with
# rates 6, 12 and 18, and pictures of 256 x 256: two of the three dilated branches are 1 x 1 convolutions. Figure 4 of the
# DeepLabV3 paper shows this for a map of 65 x 65. For each rate, it gives the share of the positions where all, some or only one
# of the nine weights are in use. This is one of the paper's two reasons for the pooled branch of section 7.

# %% [markdown]
# ### Exercise 4.4 · `live_taps` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Predict what we have just measured, for maps that need not be square.
#
# - `map_size`: a tuple of two ints (height, width), each at least 1; `dilation`: an int of at least 1
# - the kernel is 3 x 3, its padding equals `dilation` on all four sides, and its middle visits every pixel of the map
# - returns an int: how many of the nine weights lie on a pixel of the map, not on padding, for at least one position of
#   the kernel. How you find the number is up to you
#
# <details><summary>Hint 1: one axis</summary>
# Rows and columns don't influence each other. When does the upper row of weights meet the map?
# </details>
# <details><summary>Hint 2: at the border</summary>
# Put the middle of the kernel on the last row of the map. How far is it from there to the first row?
# </details>


# %% nbgrader={"grade": false, "grade_id": "live_taps", "locked": false, "schema_version": 3, "solution": true, "task": false}
def live_taps(map_size, dilation):
    """Return how many of the nine weights ever meet a pixel of a map of (height, width), an int."""
    raise NotImplementedError("Exercise 4.4")


# %% tags=["raises-exception"]
print(live_taps((8, 8), 12), live_taps((8, 8), 2))

# %% nbgrader={"grade": true, "grade_id": "check_live_taps", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("live_taps", live_taps)

# %% [markdown]
# # Sitting 2 · DeepLab
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 7. Several scales at once
#
# A car may be 10 or 200 pixels wide. *Atrous spatial pyramid pooling* (ASPP) therefore looks at the map with several rates
# at once, and at its mean: the *pooled branch* tells every pixel what kind of picture this is. The branches are
# concatenated, and a 1 x 1 convolution mixes them.
#
# | branch | layers |
# | --- | --- |
# | 1 x 1 | 1 x 1 convolution, batch norm, ReLU |
# | one per rate | 3 x 3 convolution with that dilation, batch norm, ReLU |
# | pooled | mean over the map, 1 x 1 convolution, ReLU; the result goes to every pixel |
# | all together | concatenated; 1 x 1 convolution, batch norm, ReLU |
#
# In the paper and in torchvision, the pooled branch has batch norm as well. Batch norm in training subtracts the mean of
# the batch, per channel, and divides by the standard deviation. The pooled branch has *one* number per channel and picture.

# %%
from torchvision.models.segmentation.deeplabv3 import ASPP as TorchvisionASPP

torch.manual_seed(0)
pooled = nn.Sequential(
    *list(TorchvisionASPP(16, [6, 12, 18], 8).convs[-1])[:3]
)  # mean, 1 x 1 convolution, batch norm
choices = ["an error", "NaN", "zeros", "the same as in eval mode"]
with predict("torchvision's ASPP in training mode, a batch of one picture: what happens?", choices) as reveal:
    try:
        pooled.train()(torch.rand(1, 16, 8, 8))
    except ValueError as error:
        print(f"ValueError: {error}")
        reveal("an error")

# %%
question = "And with a batch of two pictures that differ clearly: what does this branch's batch norm return?"
with predict(question, ["zeros", "about +1 and -1", "any numbers"]) as reveal:
    for scale in (1, 10, 100):
        out = pooled.train()(scale * torch.rand(2, 16, 8, 8)).detach()[:, :4, 0, 0]
        print(
            f"numbers up to {scale:3}: picture 1 {out[0].numpy().round(3)}, picture 2 {out[1].numpy().round(3)}"
        )
    reveal("about +1 and -1" if ((out.abs() - 1).abs() < 0.1).all() else "any numbers")

# %% [markdown]
# <details><summary>Why?</summary>
#
# Two numbers minus their mean are equal and opposite, and divided by their standard deviation they are about +1 and -1. (They are
# smaller where the two hardly differ, because batch norm adds a little to the variance.) What is left is which of the two
# pictures has more of something, not how much. With one picture there is nothing to divide by, and PyTorch refuses. The last
# batch of an epoch can be a batch of one.
# </details>
#
# Therefore *our* pooled branch has no batch norm. (While training with a batch of one, the pooled branch still has no
# effect: it adds the same number to every pixel, and the batch norm at the end subtracts that number again. In eval mode,
# or with two pictures, it has an effect.)

# %% [markdown]
# ### Exercise 4.5 · `ASPP` · difficulty 3 of 3 · 25 minutes · 6 points
#
# Write the block of the table above.
#
# - `ASPP(in_channels, out_channels, rates)`; `rates` is a tuple of one or more ints, one per dilated branch; two may be
#   equal
# - input: float tensor, N x in_channels x H x W, any H and W, also smaller than the rates
# - every branch has out_channels channels; all of them look at the input itself
# - the 1 x 1 branch and the dilated branches: convolution, batch norm, ReLU. A dilated branch has a 3 x 3 kernel, and zeros
#   around the map keep its size
# - the pooled branch: the mean of each picture over height and width, 1 x 1 convolution, ReLU, no batch norm
# - the branches are concatenated along the channels, in any order; a 1 x 1 convolution to out_channels, batch norm and ReLU
#   follow
# - returns N x out_channels x H x W; a batch of one can be trained on
# - batch norm with PyTorch's defaults, no dropout; gradients reach every parameter
#
# To compare numbers, the check sets your weights, as in lesson 3: it knows convolutions, linear layers, matmul, einsum and
# batch norm, as layers or as functions. Biases in the convolutions are neither asked for nor forbidden.
#
# <details><summary>Hint 1: where do the branches live?</summary>
# There are as many dilated branches as rates. <code>nn.ModuleList</code> holds them, and PyTorch finds their weights there.
# </details>
# <details><summary>Hint 2: a branch comes back with another size</summary>
# A 3 x 3 kernel with dilation r reaches r pixels to each side. How much padding does that need?
# </details>
# <details><summary>Hint 3: the mean is one pixel</summary>
# <code>x.mean(dim=(2, 3), keepdim=True)</code> is N x C x 1 x 1. After convolution and ReLU,
# <code>.expand(-1, -1, H, W)</code> gives every pixel the same number.
# </details>


# %% nbgrader={"grade": false, "grade_id": "ASPP", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ASPP(nn.Module):
    """Join a 1 x 1 branch, a dilated branch per rate and a pooled branch; the size stays."""

    def __init__(self, in_channels, out_channels, rates):
        raise NotImplementedError("Exercise 4.5")

    def forward(self, x):
        raise NotImplementedError("Exercise 4.5")


# %% tags=["raises-exception"]
x = torch.rand(1, 16, 8, 10)
print(x.shape, "->", ASPP(16, 4, rates=(1, 2, 4))(x).shape)

# %% nbgrader={"grade": true, "grade_id": "check_ASPP", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("ASPP", ASPP)

# %% [markdown]
# ## 8. DeepLabV3 on streets
#
# DeepLabV3 is an encoder, an ASPP on its last map, a 3 x 3 convolution (torchvision's addition) and a 1 x 1 convolution to the
# classes. The logits are then enlarged to the size of the picture by interpolation. There are no skips. Its successor V3+ adds
# one: the map of stride 4, just before the 3 x 3 convolution. Three variants learn from the same 128 streets of 96 x 128 pixels:
#
# - *output stride 16*: the last map has 6 x 8 pixels. Of the paper's rates 6, 12 and 18, the last two would have a
#   single weight in use there (section 6), so ours are 1, 2 and 3
# - *output stride 8*: a map of 12 x 16 pixels with rates 2, 4 and 6, which reach equally far. It has exactly as
#   many weights, of the same shapes
# - *with decoder*: output stride 8 and the skip of V3+
#
# The ASPP is *yours* if it passes its check, and the course's own otherwise. The three trainings take about a minute on
# two cores, and a bar shows how far they are.

# %% tags=["skip-grading"]
MyASPP = exercises.yours("ASPP", ASPP)


def deeplab(num_classes=8, **options):
    """Return a DeepLabV3 with a small encoder and your ASPP."""
    network = segcourse.create_model("deeplabv3", num_classes, width=8, channels=32, **options)
    network.aspp = MyASPP(network.encoder.channels[-1], 32, tuple(network.config["rates"]))
    return network


# %% tags=["skip-grading"]
seed = 0  # try 1 and 2, and run the cells of this section again
train, val = (load_dataset("scenes", split, count=count) for split, count in (("train", 128), ("val", 16)))
test = load_dataset("scenes", "test", count=60)
truth = torch.stack([mask for _, mask, _ in test])
variants = {
    "output stride 16": {"model": lambda: deeplab(output_stride=16, rates=(1, 2, 3))},
    "output stride 8": {"model": lambda: deeplab(output_stride=8, rates=(2, 4, 6))},
    "with decoder": {"model": lambda: deeplab(output_stride=8, rates=(2, 4, 6), decoder=True)},
}
plan = ladder.PLAN | {"batch_size": 4}
trials = compare(variants, train, val, seeds=[seed], watch=[test[1]], **plan)

# %% [markdown]
# Press play, and watch the three networks learn one street.

# %% tags=["skip-grading"]
pictures = {"truth": [overlay(test[1].image, test[1].mask, train.palette, background=None)] * plan["epochs"]}
for (name, _), masks in trials.watched.items():
    pictures[name] = [overlay(test[1].image, mask, train.palette, background=None) for mask in masks[:, 0]]
frames = play(pictures, range(1, plan["epochs"] + 1), name="epoch")

# %% tags=["skip-grading"]
choices = ["sky", "building", "car", "pole"]
question = "Output stride 8 instead of 16: which of these classes gains most IoU?"
with predict(question, choices) as reveal:
    iou = {}
    for (name, _), found in trials.masks(test).items():
        matrix = segcourse.confusion_matrix(found, truth, num_classes=8)
        iou[name] = segcourse.iou_per_class(matrix)
        each = ", ".join(
            f"{one} {value:.2f}" for one, value in zip(train.class_names, iou[name], strict=True)
        )
        print(f"{name}: mean IoU {segcourse.mean_iou(matrix):.2f} ({each})")
    gain = iou["output stride 8"] - iou["output stride 16"]
    reveal(max(choices, key=lambda name: gain[train.class_names.index(name)]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# Sky and building are large: a map of 6 x 8 pixels can describe them. A car is a few map pixels wide, and a finer map shows
# where it ends. A pole is about two pixels wide in the *picture*. On a map whose pixels are 8 input pixels apart, it is a small
# part of one number, and it is lost. The decoder brings a finer map back, and you can see what that is worth for cars and
# pavement. For poles and persons it wasn't enough here: even a map of stride 4 is coarse for them.
# </details>

# %% tags=["skip-grading"]
ours = segcourse.Segmenter(trials.segmenters["with decoder", seed].model, palette=train.palette)
chosen = [test[i] for i in (1, 6)]
found = [ours.predict(sample.image) for sample in chosen]
images, masks = [sample.image for sample in chosen], [sample.mask for sample in chosen]
show_results(images, masks, found, palette=train.palette)

# %% [markdown]
# Look at one of them more closely: move the border between truth and prediction, switch classes off, or choose *right and
# wrong* for one side.

# %% tags=["skip-grading"]
viewer = mask_viewer(chosen[0].image, chosen[0].mask, found[0], palette=train.palette)

# %% [markdown]
# ## 9. A network that has seen billions of pixels
#
# torchvision has DeepLabV3 ready, trained on the photographs of COCO with the 20 classes of PASCAL VOC and background.
# These five lines use it as it was meant:
#
# ```python
# weights = torchvision.models.get_model_weights("deeplabv3_mobilenet_v3_large").DEFAULT
# network = torchvision.models.get_model("deeplabv3_mobilenet_v3_large", weights=weights).eval()
# batch = weights.transforms()(photo)[None]  # resized, scaled to 0 … 1, normalised as in training
# with torch.inference_mode():
#     mask = network(batch)["out"].argmax(dim=1)[0]  # class ids; weights.meta["categories"] names them
# ```
#
# `photo` is a PIL image in RGB. The mask has the size of `batch`, not of the photo. `deeplabv3_resnet50` and
# `deeplabv3_resnet101` are larger and better. The weights are downloaded at the first use (42 MB for this one).
#
# The next cell does the same with `load_street_model`, which also works where nothing can be downloaded: it then takes a
# network of your own, or that of section 8, and says so. The photograph is the first one in the folder `photos` beside the
# data sets (`segcourse data list` says where), or the file that you name. Without one, the cell takes a drawn street.

# %% tags=["skip-grading"]
street_model, says = load_street_model("deeplabv3_mobilenet_v3_large", otherwise=ours)
photo = street_photograph()  # your own: street_photograph("my_street.jpg")
picture = street.image if photo is None else photo
mask = street_model.predict(picture)  # H x W, class ids
coloured = street_model.palette.colourise(mask)
print(says)
titles = ["the picture", "the mask: class ids", "the mask in colours", "both"]
panels = [picture, mask, coloured, overlay(picture, mask, street_model.palette)]
show_image(panels, titles, alt="A street, its mask (nearly black), the mask in colours, and both together.")

# %% tags=["skip-grading"]
found = shares(mask, street_model.class_names)
print("share of the pixels:", ", ".join(f"{name} {share:.1%}" for name, share in found.items()))
others = [name for name in found if name in VEHICLES and name != "car"]
if "car" in found:
    print(f"cars cover {found['car']:.1%} of the picture; other vehicles: {', '.join(others) or 'none'}")
else:
    print(f"no car; other vehicles: {', '.join(others) or 'none'}")

# %% [markdown]
# The second panel is no mistake. A mask holds small numbers, and as grey values they are nearly black.

# %% [markdown]
# ## 10. The same lines as they go wrong
#
# Three slips are common in code that circulates:
#
# - `cv2.imread` returns blue, green, red (BGR). The network expects red, green, blue
# - the normalisation is missing: the network gets 0 … 1 where it expects numbers around 0
# - the pixels stay 0 … 255: they are normalised, but not divided by 255 before
#
# None of them raises an error. For scenes we know the truth, so what each slip costs can be measured.

# %% tags=["skip-grading"]
mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (ours.mean, ours.std))
slips = {
    "as in training": lambda image: (image - mean) / std,
    "BGR read as RGB": lambda image: (image.flip(0) - mean) / std,
    "not normalised": lambda image: image,
    "0 … 255": lambda image: (255 * image - mean) / std,
}
with predict("Which slip costs most?", list(slips)[1:]) as reveal:
    scores = {}
    for name, prepare in slips.items():
        with torch.inference_mode():
            found = ours.model(torch.stack([prepare(sample.image) for sample in test])).argmax(dim=1)
        scores[name] = segcourse.mean_iou(segcourse.confusion_matrix(found, truth, 8)).item()
    show_bars(scores, xlabel="mean IoU on 60 streets")
    reveal(min(scores, key=scores.get))

# %% [markdown]
# <details><summary>Why is BGR so treacherous?</summary>
#
# Streets are mostly grey, and grey is the same in RGB and BGR. The result gets worse, but it still looks like a result.
# The repair is one line: `image[..., ::-1]`, or `cv2.cvtColor(image, cv2.COLOR_BGR2RGB)`.
#
# The other two slips change the size of the numbers. Without normalisation, contrasts reach the network much too weak; as
# 0 … 255, they are 255 times too strong. Batch norm repairs neither, because in eval mode it uses the means and variances
# of the training pictures. With a `Segmenter` or with `weights.transforms()`, normalisation can't be forgotten, because it
# belongs to the weights.
# </details>
#
# And then the mask is black, so somebody multiplies it by 255.

# %%
question = "A uint8 mask holds class 5 (car) somewhere. What does mask * 255 hold there?"
with predict(question, ["255", "1275", "251", "an error"]) as reveal:
    labels = street.mask.numpy().astype(np.uint8)
    times_255 = labels * 255
    print("class ids:", np.unique(labels), "times 255:", np.unique(times_255))
    panels = [labels, times_255, streets.palette.colourise(labels)]
    titles = ["mask", "mask * 255", "palette.colourise(mask)"]
    show_image(panels, titles, alt="A mask: nearly black, then nearly white, then in colours.")
    reveal(str(times_255[labels == 5][0]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# A uint8 starts again at 0 after 255, so class k becomes 256 - k: 255, 254, 253 … The other classes look white; road (class 0)
# stays black, and void (255) becomes 1, which looks black as well. The picture seems right when there are two classes. Give each
# class a colour instead, and save the ids themselves.
# </details>

# %% [markdown]
# ## 11. Your own classes
#
# No network knows the classes that *you* need. Say you want to know what is close: cars, persons and poles less than 15
# metres away. You label 20 streets (here, the depth of the scenes does it for you). That is little, but encoder and ASPP of
# section 8 already know what a street looks like. Freeze them. Train only the last 3 x 3 convolution and a new last layer.


# %% tags=["skip-grading"]
def close_things(scenes):
    """Return images and masks: 1 is a car, a person or a pole within 15 m, 0 is the rest."""
    images, masks = [], []
    for i, (image, mask, _) in enumerate(scenes):
        close = (mask >= 5) & (torch.from_numpy(scenes.picture(i).depth) < 15)
        images.append((image - mean) / std)
        masks.append(torch.where(mask == 255, 255, close.long()))
    return torch.stack(images), torch.stack(masks)


few_images, few_masks = close_things(load_dataset("scenes", "val", count=20, seed=1))
new_images, new_masks = close_things(test)


# %% tags=["skip-grading"]
def train_own(network, frozen):
    """Train what is not frozen on the few pictures, and return the network in eval mode."""
    for part in frozen:
        part.requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=3e-3)
    for _ in range(2 * ladder.PLAN["epochs"]):
        network.train()
        for part in frozen:
            part.eval()  # else its batch norm keeps measuring, and the frozen part changes
        for batch in torch.randperm(len(few_images)).split(4):
            loss = segcourse.combined_loss(network(few_images[batch]), few_masks[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.eval()


# %% tags=["skip-grading"]
choices = ["all layers from scratch", "only the last two layers, on ours"]
with predict("20 pictures, as many steps: which network finds close things better?", choices) as reveal:
    torch.manual_seed(seed)
    scratch = train_own(deeplab(2, output_stride=8, rates=(2, 4, 6), decoder=True), frozen=[])
    tuned = copy.deepcopy(ours.model)
    tuned.head = nn.Conv2d(32, 2, kernel_size=1)  # in torchvision's DeepLabV3: network.classifier[4]
    tuned = train_own(tuned, frozen=[tuned.encoder, tuned.aspp, tuned.reduce])
    close = {}
    for name, network in zip(choices, (scratch, tuned), strict=True):
        with torch.inference_mode():
            found = torch.cat([network(part).argmax(dim=1) for part in new_images.split(20)])
        close[name] = segcourse.iou_per_class(segcourse.confusion_matrix(found, new_masks, 2))[1].item()
    show_bars(close, xlabel="IoU of close things on 60 new streets")
    reveal(max(close, key=close.get))

# %% [markdown]
# The tuned network trains only its last 3 x 3 convolution and its head. The rest needs no gradient, so each step
# is cheaper, too. The same recipe works with torchvision's network: freeze `network.backbone` and `network.classifier[0]`
# (its ASPP), keep both in eval mode, and replace `network.classifier[4]` by a 1 x 1 convolution to your number of classes.
# Its `forward` returns a dictionary; the logits are `network(batch)["out"]`.

# %% [markdown]
# ## 12. The ladder
#
# Back to the lesions of the other lessons: 64 x 64 pixels, 120 held-out lesions, the same plan for everyone. DeepLabV3 at
# output stride 8 works on a map of 8 x 8 there.

# %% tags=["skip-grading"]
lesions = ladder.pictures()
choices = ["DeepLabV3", "U-Net", "no one: the difference is within the U-Net's ten seeds"]
with predict("On pictures of 64 x 64 pixels, which network has the higher mean Dice?", choices) as reveal:
    small = {"yours: DeepLabV3": {"model": lambda: deeplab(2, output_stride=8, rates=(2, 4, 6))}}
    of_lesions = compare(small, lesions.train, lesions.val, seeds=[seed], **ladder.PLAN)
    [found] = of_lesions.masks(lesions.test).values()
    dice = segcourse.dice_score(found, torch.stack([sample.mask for sample in lesions.test]))
    unet, mean_dice = ladder.spread("ordinary", "U-Net")["U-Net"], dice.mean().item()
    print(f"mean Dice: DeepLabV3 {mean_dice:.2f}, U-Net with ten seeds {min(unet):.2f} to {max(unet):.2f}")
    ladder.show({"yours: DeepLabV3": dice})
    reveal(choices[0 if mean_dice > max(unet) else 1 if mean_dice < min(unet) else 2])

# %% [markdown]
# <details><summary>Why?</summary>
#
# On 64 x 64 pixels nothing is far away, so DeepLab's strength is worth little here. Its weakness counts: the outline is drawn
# from a map of 8 x 8. One pixel of this map covers 8 x 8 pixels of the picture, and the smallest lesions have fewer than a
# hundred. DeepLab was made for photographs of 500 pixels and more, where one pixel of the last map is small beside the objects.
# </details>

# %% [markdown]
# ## 13. When it goes wrong
#
# Three mistakes that are common in real notebooks, each with its symptom. Read the symptom, find the line, repair it in
# place and run the cell again. Nothing here is graded.
#
# ### 13.1 "The frozen encoder changes"
#
# Only the head is trained. So the encoder should return the same maps afterwards.

# %%
torch.manual_seed(0)
network = segcourse.create_model("deeplabv3", 2, width=4, channels=8, rates=(1, 2))
image, target = torch.rand(2, 3, 64, 64), torch.randint(2, (2, 64, 64))
for part in (network.encoder, network.aspp):
    part.requires_grad_(False)
before = network.eval().encoder(image)[-1]
optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-3)
network.train()
for _ in range(5):
    optimizer.zero_grad()
    F.cross_entropy(network(image), target).backward()
    optimizer.step()
after = network.eval().encoder(image)[-1]
print(f"the encoder's maps differ by up to {(after - before).abs().max():.2f} (expected: 0)")

# %% [markdown]
# <details><summary>Where to look</summary>
# No weight of the encoder has changed: check it. But what does batch norm do with its running mean in training mode?
# <code>requires_grad_(False)</code> has no say in that.
# </details>
#
# ### 13.2 "All weights loaded, and it guesses"
#
# A network was trained on several GPUs and saved. Here it is loaded, without an error.

# %%
torch.manual_seed(0)
trained = segcourse.create_model("deeplabv3", 2, width=4, channels=8, rates=(1, 2)).eval()
saved = {f"module.{name}": tensor for name, tensor in trained.state_dict().items()}  # as DataParallel does

torch.manual_seed(1)
loaded = segcourse.create_model("deeplabv3", 2, width=4, channels=8, rates=(1, 2)).eval()
loaded.load_state_dict(saved, strict=False)
same = (loaded(image).argmax(dim=1) == trained(image).argmax(dim=1)).float().mean()
print(f"the loaded network agrees with the trained one on {same:.0%} of the pixels (expected: 100%)")

# %% [markdown]
# <details><summary>Where to look</summary>
# <code>load_state_dict</code> returns something. Print it. What does <code>strict=False</code> forgive?
# (<code>name.removeprefix("module.")</code> is a method of every string.)
# </details>
#
# ### 13.3 "Classes that don't exist"
#
# A mask is saved and read again. It had seven classes and void.

# %%
import cv2

labels = street.mask.numpy().astype(np.uint8)
_, file = cv2.imencode(".jpg", labels)
again = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
print("before:", np.unique(labels).tolist())
print("after: ", np.unique(again)[:12].tolist(), "…" if len(np.unique(again)) > 12 else "")

# %% [markdown]
# <details><summary>Where to look</summary>
# Which file format keeps every number, and which one only keeps what the eye sees?
# </details>

# %% [markdown]
# ## 14. In five lines
#
# 1. Dilation spreads the taps of a kernel: it sees further, with the same number of weights, and the map keeps its size.
# 2. Dilations that all share a factor, one after the other, leave holes. A rate as large as the map leaves one weight of nine.
# 3. ASPP looks at one map with several rates and at its mean. Its pooled branch has no batch norm here, so a batch of one
#    can be trained on.
# 4. Strides can be exchanged for dilation without new weights: a finer map, paid for with time and memory.
# 5. A pretrained network needs exactly the preparation that it was trained with: RGB, 0 … 1, normalised.
#
# | you have | take |
# | --- | --- |
# | photographs with the classes of VOC (car, person, dog …) | torchvision's DeepLabV3, as it is |
# | photographs with your own classes, few labels | a pretrained encoder, frozen, and a new head |
# | large objects, much context | output stride 16 |
# | small objects | output stride 8 with decoder, or a U-Net |
# | small pictures, exact outlines | a U-Net |
#
# **Read on.** Chen et al. 2017, *Rethinking atrous convolution* (arXiv 1706.05587): section 3 for output stride and ASPP,
# figure 4 for the weights in use. Chen et al. 2018, *DeepLabV3+* (arXiv 1802.02611): section 3 for the decoder. Yu and
# Koltun 2016, *Multi-scale context aggregation by dilated convolutions* (arXiv 1511.07122): section 2 for doubling
# dilations. Wang et al. 2018, *Understanding convolution for semantic segmentation* (arXiv 1702.08502): section 3 for
# gridding. Lesson 5 asks what a good mask is, and what training should lower.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("04_dilated_aspp.ipynb")
