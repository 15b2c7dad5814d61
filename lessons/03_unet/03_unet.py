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
# # Lesson 3 · U-Net: keep the detail
#
# A network that names what is in a picture may forget where things were. A network that outlines a lesion must not. The
# U-Net of 2015 solves this with four *skips*: copies of its early feature maps, handed straight to the late layers.
# Here you build it, take the skips away again, and see on the same lesions what they were for.
#
# The lesson has two sittings. **Sitting 1, build it** (sections 1 to 4) takes about 65 minutes. **Sitting 2, test it**
# (sections 5 to 10) takes about 20 minutes, and its stretch exercise another 15. You need a little PyTorch: you have
# written an `nn.Module` before. The cells run for about a minute on two processor cores. All pictures are drawn by
# code, `load_dataset("lesions")`, 64 x 64 pixels in size, so the lesson works offline. (A *feature map* is a picture of
# numbers that a layer computes; each of its *channels* is one such picture.)

# %% [markdown]
# ## What you will be able to do
#
# - stack convolution, batch norm and ReLU, and say what one output pixel sees: `DoubleConv`
# - bring a small map up to the size of its skip, also when the size is odd: `Up`
# - build the whole U-Net for pictures of any size, and say why it ends in logits (raw scores, before sigmoid or
#   softmax): `UNet`
# - count the trainable parameters, and see which layers hold them: `count_parameters`
# - let the network choose which parts of a skip it wants (stretch): `AttentionGate`

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
import torch
import torch.nn.functional as F
from torch import nn

import segcourse
from segcourse import check, dice_score, exercises, show_results
from segcourse.course import ladder
from segcourse.course.trials import compare
from segcourse.models import blocks
from segcourse.models import count_parameters as library_count
from segcourse.plotting import outline, show_bars, show_curves, show_image
from segcourse.widgets import predict, skip_viewer

# %%
torch.manual_seed(0)
pictures = ladder.pictures()  # .train, .val; .test and .tiny are never trained on
masks = torch.stack([sample.mask for sample in pictures.test])  # 120 x 64 x 64; 0 is skin, 1 is lesion
thirds = ladder.thirds(masks)  # numbers of the smallest, middle and largest 40 of them

# %% [markdown]
# # Sitting 1 · Build it
#
# ## 1. Where this ends
#
# ![Three rows of four: the picture of a lesion, its true outline, the outline of a network without skips, and that of the
# network with skips. The outlines without skips are round blobs; those with skips follow the border more
# closely.](result.png)
#
# Three held-out lesions and two networks. Both networks have the same layers, the same starting weights and the same training.
# The network in the third column got zeros in place of its skips. In section 5 you train two networks like these. They start from
# other weights than those in the picture.

# %% [markdown]
# ## 2. What fits through the bottleneck
#
# On the way down, a U-Net halves the picture four times: 64 x 64 pixels become a map of 4 x 4, the *bottleneck*. So
# each cell of the bottleneck sees a large part of the picture. But the outline has to be rebuilt from these few cells.
# The half that goes down is the *encoder*, the half that comes up again is the *decoder*.
#
# Suppose each cell of the small map held a single number: the fraction of its area that is lesion. We shrink the true
# masks to such numbers, enlarge them smoothly, and call everything above 1/2 lesion. How much of a mask survives? (The
# *Dice score* is twice the shared area over the sum of the two areas: 1 for equal masks, 0 for masks that share
# nothing.)


# %%
def shrunk_and_enlarged(masks, factor):
    """Average over blocks of `factor` x `factor` pixels, enlarge, and threshold at 1/2."""
    means = F.avg_pool2d(masks[:, None].float(), factor)
    return F.interpolate(means, size=masks.shape[-2:], mode="bilinear")[:, 0] > 0.5


# %%
bands = {"below 0.70": 0.0, "0.70 to 0.85": 0.7, "0.85 to 0.95": 0.85, "above 0.95": 0.95}
question = "True masks, shrunk to 4 x 4 and enlarged again: what is their mean Dice?"
with predict(question, bands) as reveal:
    factors = {"32 x 32": 2, "16 x 16": 4, "8 x 8": 8, "4 x 4": 16}
    redrawn = {name: shrunk_and_enlarged(masks, factor) for name, factor in factors.items()}
    kept = {name: dice_score(mask, masks).mean().item() for name, mask in redrawn.items()}
    show_bars(kept, xlabel="mean Dice of the redrawn masks")
    reveal(kept["4 x 4"])
    panels, titles = [], []
    for i in (4, 0, 12):
        truth = outline(pictures.test[i].image, masks[i], colour=(255, 255, 255))
        for name in ("16 x 16", "8 x 8", "4 x 4"):
            panels.append(outline(truth, redrawn[name][i].long()))
            titles.append(f"from {name}")
    show_image(panels, titles, alt="Three lesions, true and redrawn outlines; from 4 x 4 a blob is left.")

# %% [markdown]
# In the pictures, white is the true outline and orange is the outline that was redrawn from the small map. A real
# bottleneck holds more than one number per cell (hundreds of channels), so this is no law. But some of those numbers
# would have to describe where the edge runs, and there is a cheaper way: the encoder had the full-size map a moment
# ago. Keep it, and give it to the decoder.
#
# ![The shape of a U-Net. Five boxes go down on the left, 64 to 1024 channels at full to one sixteenth size, four
# boxes come up on the right, and at each of the four upper levels an arrow, the skip, leads straight
# across.](unet.svg)
#
# Three pieces make the whole network: a double convolution, a step down (2 x 2 max pooling, then a double convolution)
# and a step up. You write the first and the third.

# %% [markdown]
# ### What one pixel sees
#
# Each box in the figure is two 3 x 3 convolutions in a row, each followed by batch norm and ReLU.


# %%
def pixels_seen(layers):
    """Count the input pixels that can change the central output pixel: those with a gradient."""
    x = torch.rand(1, 1, 15, 15, requires_grad=True)
    layers(x)[0, :, 7, 7].sum().backward()
    return int((x.grad != 0).sum())


choices = ["9", "18", "25", "81"]
question = "Two 3 x 3 convolutions in a row: how many input pixels can change one output pixel?"
with predict(question, choices) as reveal:
    for count in (1, 2, 3, 4):
        stack = nn.Sequential(*[nn.Conv2d(1, 1, kernel_size=3, padding=1) for _ in range(count)])
        print(count, "convolutions see", pixels_seen(stack), "pixels")
        if count == 2:
            reveal(str(pixels_seen(stack)))

# %% [markdown]
# <details><summary>Why?</summary>
#
# The second convolution looks at nine pixels, and each of them looked at nine. Most of those are the same ones. Together they see
# a 5 x 5 square. Two 3 x 3 kernels have 18 weights, a single 5 x 5 kernel has 25. The gradient showed this without any
# arithmetic. For plain convolutions it is a safe way to ask what a network sees; ReLU and max pooling hide pixels from it.
# </details>

# %% [markdown]
# ### Exercise 3.1 · `DoubleConv` · difficulty 1 of 3 · 10 minutes · 3 points
#
# Write the block: 3 x 3 convolution, batch norm, ReLU, and the same again.
#
# - `DoubleConv(in_channels, out_channels)`; the first convolution changes the number of channels
# - input: float tensor, N x in_channels x H x W, any H and W
# - output: N x out_channels x H x W, the same H and W
# - batch norm with PyTorch's defaults, between convolution and ReLU
# - the check looks at what the block does: sizes, numbers, training mode, gradients. Choose your own names. Biases in
#   the convolutions are neither asked for nor forbidden
#
# To compare numbers, the check sets your weights. It knows convolutions, linear layers, matmul, einsum and batch norm,
# as layers or as functions.
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. Other functions may be steps on the way. An answer never changes its inputs.
#
# <details><summary>Hint 1: where do I start?</summary>
# <code>nn.Conv2d</code>, <code>nn.BatchNorm2d</code> and <code>nn.ReLU</code> are the three layers.
# <code>nn.Sequential</code> runs layers one after the other, and a class may inherit from it.
# </details>
# <details><summary>Hint 2: my picture gets smaller</summary>
# Beyond the border, a 3 x 3 kernel has no neighbours to look at, unless you add some: <code>padding</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "DoubleConv", "locked": false, "schema_version": 3, "solution": true, "task": false}
class DoubleConv(nn.Module):
    """(3 x 3 convolution, batch norm, ReLU) twice; the size stays."""

    def __init__(self, in_channels, out_channels):
        raise NotImplementedError("Exercise 3.1")

    def forward(self, x):
        raise NotImplementedError("Exercise 3.1")


# %% tags=["raises-exception"]
x = torch.rand(1, 3, 5, 7)  # one picture of 5 x 7 pixels
print(x.shape, "->", DoubleConv(3, 8)(x).shape)

# %% nbgrader={"grade": true, "grade_id": "check_DoubleConv", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("DoubleConv", DoubleConv)

# %% [markdown]
# ## 3. The row that never came back
#
# Photographs need not come in multiples of sixteen. Send one of 101 x 131 pixels down four levels and up again. *Max
# pooling* keeps the largest of each 2 x 2 pixels. A *transposed convolution* with kernel 2 and stride 2 goes the other
# way: it turns each pixel into 2 x 2 pixels, the pixel times four learned weights.

# %%
choices = ["101 x 131", "96 x 128", "112 x 144", "an error"]
question = "101 x 131 pixels, halved four times, doubled four times: what comes out?"
with predict(question, choices) as reveal:
    x = torch.rand(1, 1, 101, 131)
    for layer in [nn.MaxPool2d(2)] * 4 + [nn.ConvTranspose2d(1, 1, kernel_size=2, stride=2)] * 4:
        x = layer(x)
        print(f"{x.shape[2]} x {x.shape[3]}")
    reveal(f"{x.shape[2]} x {x.shape[3]}")

# %% [markdown]
# <details><summary>Why?</summary>
#
# Pooling drops the last row of an odd height, and doubling can't know that the row was there. This picture loses five
# rows and three columns on the round trip.
#
# In a U-Net, such a picture doesn't even get that far. At the second step up, a map of 24 rows meets a skip of 25, and
# they can't be concatenated. The paper's convolutions have no padding, so its pictures shrink anyway: 572 x 572 in, 388
# x 388 out, and each skip is cropped to fit. Then the masks no longer fit the pictures. We keep the skip whole, and pad
# the small map instead. The small map gets a row or a column of zeros where the skip is larger. The convolutions that
# follow smooth the seam.
# </details>

# %% [markdown]
# ### Exercise 3.2 · `Up` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Write one step up.
#
# - `Up(in_channels, skip_channels, out_channels)`, `forward(x, skip)`
# - `x`: N x in_channels x h x w, from below; `skip`: N x skip_channels x H x W, where H is 2h or 2h + 1, and W likewise
# - a transposed convolution (kernel 2, stride 2) doubles the size of `x` and leaves `in_channels // 2` channels
# - the enlarged `x` is padded with zeros to H x W, on whichever side you like; it is not stretched, and the skip stays
#   whole
# - `x` and the skip are concatenated along the channels, in either order; a double convolution turns them into
#   out_channels channels
# - returns N x out_channels x H x W
#
# If your `DoubleConv` is not finished, `blocks.DoubleConv` of the library does the same.
#
# <details><summary>Hint 1: how do I concatenate and pad?</summary>
# <code>torch.cat([x, skip], dim=1)</code> concatenates along the channels.
# <code>F.pad(x, [left, right, top, bottom])</code>: it counts from the last axis, so columns come before rows.
# </details>
# <details><summary>Hint 2: the channel numbers do not fit</summary>
# After concatenating, the number of channels is <code>skip_channels + in_channels // 2</code>.
# </details>
# <details><summary>Hint 3: right for even sizes, wrong for odd ones</summary>
# Print <code>skip.shape</code> and <code>x.shape</code> after the transposed convolution. What is missing, and is it a
# row or a column?
# </details>


# %% nbgrader={"grade": false, "grade_id": "Up", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Up(nn.Module):
    """One step up: double `x`, pad it to the skip's size, concatenate, convolve twice."""

    def __init__(self, in_channels, skip_channels, out_channels):
        raise NotImplementedError("Exercise 3.2")

    def forward(self, x, skip):
        raise NotImplementedError("Exercise 3.2")


# %% tags=["raises-exception"]
x, skip = torch.rand(1, 8, 2, 3), torch.rand(1, 4, 5, 6)  # the skip has 2 * 2 + 1 rows
print(x.shape, "and", skip.shape, "->", Up(8, 4, 4)(x, skip).shape)

# %% nbgrader={"grade": true, "grade_id": "check_Up", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("Up", Up)

# %% [markdown]
# ## 4. Following one pixel through the network
#
# Before you build the whole network, watch a single pixel pass through one. The next cell makes every layer of a U-Net
# *transparent*: each convolution outputs, at every pixel, the mean of its input channels, and batch norm changes
# nothing. What is left are the connections: four poolings, four doublings, four skips.
#
# The input is a black picture with a single bright pixel. Each step up takes the mean of its skip and of the map from
# below.

# %%
shares = {"1/16": 1 / 16, "1/5": 1 / 5, "1/2": 1 / 2, "all of it": 1.0}
question = "How much of the bright pixel's light comes through the topmost skip alone?"
with predict(question, list(shares)) as reveal:
    pixel = torch.zeros(1, 1, 32, 32)
    pixel[0, 0, 5, 9] = 1
    transparent = exercises.set_weights(segcourse.UNet(1, 1, width=2), (pixel,), "transparent")
    light = transparent(pixel)[0, 0].detach()
    columns = {"the pixel": 9, "its 2 x 2 block": 8, "4 x 4": 10, "8 x 8": 12, "16 x 16": 0}  # in row 5
    found = {name: light[5, column].item() for name, column in columns.items()}
    show_image(light.sqrt(), "brightness (square root)", alt=f"Nested squares around a pixel: {found}.")
    through_top = found["the pixel"] - found["its 2 x 2 block"]
    print(f"{found}\nonly the topmost skip tells the pixel from its neighbours: {through_top}")
    reveal(min(shares, key=lambda name: abs(shares[name] - through_top)))

# %% [markdown]
# <details><summary>Why?</summary>
#
# Each step up takes a mean, so the topmost skip gets half, the next one half of the rest, and so on: 1/2, 1/4, 1/8, 1/16, and
# 1/16 for the bottleneck. Without skips only the bottleneck's part is left: brightness 0.0625, spread over 16 x 16 pixels, and
# nothing says which pixel it was. With trained weights, channels can carry some of the place through the bottleneck, but nothing
# carries it as directly as a skip.
# </details>
#
# The next check looks at your network in the same way. It sets your weights by this rule, sends in the bright pixel,
# and reads the brightness at these five places. So the names of your layers don't matter.

# %% [markdown]
# ### Exercise 3.3 · `UNet` · difficulty 3 of 3 · 25 minutes · 6 points
#
# Put it together.
#
# | level | size | channels going down | coming up |
# | --- | --- | --- | --- |
# | 1 | H x W | width | width, then num_classes |
# | 2 | H/2 x W/2 | 2 width | 2 width |
# | 3 | H/4 x W/4 | 4 width | 4 width |
# | 4 | H/8 x W/8 | 8 width | 8 width |
# | 5 | H/16 x W/16 | 16 width | |
#
# - `UNet(in_channels, num_classes, width=64)`; the picture is N x in_channels x H x W, H and W at least 16
# - level 1 is a double convolution; each step down is a 2 x 2 max pooling and a double convolution
# - each step up is an `Up`; its skip is what the double convolution of the same level returned, from before the pooling
# - at the end a 1 x 1 convolution turns the width channels into num_classes channels
# - returns logits, N x num_classes x H x W: any real numbers, no sigmoid, no softmax
# - gradients reach every parameter, through the skips as well
#
# `blocks.DoubleConv`, `blocks.Down(in_channels, out_channels)` and `blocks.Up` of the library may be used. First make
# half of the network run, and print shapes: the reply shows what your answer prints. (A single picture of 16 x 16
# pixels is one pixel at the bottom. Batch norm can't train on that, so call `.eval()` before you try it.)
#
# <details><summary>Hint 1: where do I keep the skips?</summary>
# In a list. The last one in is the first one that the decoder needs.
# </details>
# <details><summary>Hint 2: the check says that layers have no parameters</summary>
# PyTorch looks for layers in attributes, and in <code>nn.ModuleList</code>, but not in Python's own lists.
# </details>
# <details><summary>Hint 3: which numbers go into Up?</summary>
# Level 1 has <code>c = width</code> channels, and each level below has twice as many: <code>2 * width</code>,
# <code>4 * width</code> and so on. The step up to a level with c channels is <code>Up(2 * c, c, c)</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "UNet", "locked": false, "schema_version": 3, "solution": true, "task": false}
class UNet(nn.Module):
    """Encoder, decoder, four skips: N x in_channels x H x W to logits N x num_classes x H x W."""

    def __init__(self, in_channels, num_classes, width=64):
        raise NotImplementedError("Exercise 3.3")

    def forward(self, x):
        raise NotImplementedError("Exercise 3.3")


# %% tags=["raises-exception"]
x = torch.rand(1, 3, 33, 50)
print(x.shape, "->", UNet(3, 2, width=4)(x).shape)

# %% nbgrader={"grade": true, "grade_id": "check_UNet", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("UNet", UNet)

# %% [markdown]
# # Sitting 2 · Test it
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 5. With and without
#
# Train two networks of width 8 on the same 400 pictures for eight epochs. One of them gets zeros in place of its skips.
# It loses none of its layers, only the information that flows across. The network with skips is *yours* if it
# passes its check, and the course's own otherwise. `compare` trains each of the `variants` with `fit`, the course's
# training loop, and keeps the results.
#
# The two trainings take about half a minute on two cores, and a bar shows how far they are.

# %% tags=["skip-grading"]
seed = 0  # try 1 and 2, and run the cells of this section again
MyUNet = exercises.yours("UNet", UNet)
variants = {
    "without skips": {"model": lambda: segcourse.UNet(3, 2, width=8, skips=False)},
    "with skips": {"model": lambda: MyUNet(3, 2, 8)},
}
print(ladder.PLAN)
watch = [pictures.test[i] for i in (4, 0, 12)]
trials = compare(variants, pictures.train, pictures.val, seeds=[seed], watch=watch, **ladder.PLAN)
curves = {name: curve for (name, _), curve in trials.curves.items()}
show_curves(curves, xlabel="epoch", ylabel="validation Dice, per image")

# %% tags=["skip-grading"]
trials.play(2)  # the last of the watched lesions, epoch by epoch

# %% tags=["skip-grading"]
question = "Which third of the held-out lesions gains most from the skips?"
with predict(question, list(thirds)) as reveal:
    predicted = {name: found for (name, _), found in trials.masks(pictures.test).items()}
    dice = {name: dice_score(found, masks) for name, found in predicted.items()}
    for name, scores in dice.items():
        each = ", ".join(f"{third} {scores[which].mean():.2f}" for third, which in thirds.items())
        print(f"{name:13} mean Dice {scores.mean():.2f} ({each})")
    gain = dice["with skips"] - dice["without skips"]
    gains = {third: gain[which].mean().item() for third, which in thirds.items()}
    show_bars(gains, xlabel="mean Dice gained by the skips")
    reveal(max(gains, key=gains.get))

# %% tags=["skip-grading"]
i = int(gain.argsort()[-20])  # a lesion that gained much
images, truths, found = [pictures.test[i].image] * 2, [masks[i]] * 2, [one[i] for one in predicted.values()]
show_results(images, truths, found, names=["skin", "lesion"], titles=list(predicted))

# %% [markdown]
# ### Skip by skip
#
# Which of the four skips does the work? At first, the network *with skips* gets none of them. Each step of the slider adds
# one, the coarsest first. In place of a missing skip, the decoder gets the skip's mean per channel: it learns how strong
# each feature is on average, but not where it is. Before you look: how much of the lesion will it find without any skip?

# %% tags=["skip-grading", "raises-exception"]
network = trials.segmenters["with skips", seed].model
viewer = skip_viewer(network, pictures.test[i].image, masks[i], palette=pictures.train.palette)

# %% [markdown]
# <details><summary>Is that what the skips are worth?</summary>
#
# No. This network was trained with its skips, and its decoder relies on them. On the mean of all held-out lesions, the
# network that was trained *without* skips does far better than this one when its skips are taken away. So the viewer shows
# what this network takes from each skip. To measure what skips are worth, you need two trainings.
# </details>

# %% [markdown]
# ### What other seeds say
#
# Before you explain a small difference, ask whether a second training would show it again. Another random seed changes
# the starting weights and the order of training. Here are the gains of ten seeds, trained beforehand with `python -m
# segcourse.course.ladder`.

# %%
question = "In how many of the ten trainings does the same third gain most?"
with predict(question, {"4 or 5": 4, "6 or 7": 6, "8 to 10": 8}) as reveal:
    shipped = {}
    for third in thirds:
        both = ladder.spread(third, "U-Net", "U-Net without skips")
        one = shipped[third] = torch.tensor(both["U-Net"]) - torch.tensor(both["U-Net without skips"])
        print(f"{third:8} mean gain {one.mean():.2f}, from {one.min():.2f} to {one.max():.2f}")
    winners = torch.stack(list(shipped.values())).argmax(dim=0).tolist()
    counts = {third: winners.count(i) for i, third in enumerate(thirds)}
    print(f"gains most: {counts}")
    reveal(max(counts.values()))

# %% [markdown]
# <details><summary>Why?</summary>
#
# In nine of ten trainings the smallest third gains most. A large lesion is a blob, and 128 channels can redraw a blob.
# A small lesion is hardly more than its border, and the border is what the bottleneck loses (section 2). Your own
# training may have been the tenth: a single one is not enough. You can trust the direction. You can't trust the size of
# the gain, which differs by a factor of three.
# </details>
#
# So far, every held-out lesion covered at least 2 % of its picture. What happens to the fifty tiny lesions below 2 %?

# %%
question = "Without skips, on how many of 50 tiny lesions is no lesion pixel predicted (mean of ten seeds)?"
with predict(question, {"under 5": 0, "5 to 15": 5, "over 15": 15}) as reveal:
    missed = {}
    for score in ("missed", "tiny"):
        for name, numbers in ladder.spread(score, "U-Net without skips", "U-Net").items():
            missed[score, name] = sum(numbers) / len(numbers)
    for name in ("U-Net without skips", "U-Net"):
        print(f"{name:19} misses {missed['missed', name]:.0f} of 50; mean Dice {missed['tiny', name]:.2f}")
    reveal(missed["missed", "U-Net without skips"])

# %% [markdown]
# These are means over ten seeds; without skips, single networks miss 0 to 37. One of the tasks in the original paper was to find
# the thin membranes between cells, where everything is border.

# %% [markdown]
# ## 6. Thirty-one million numbers
#
# In its original width, a U-Net has 31 million parameters. Training with AdamW needs room for four numbers per
# parameter: itself, its gradient, and two averages. And a small data set has to fix all their values. Where do they
# sit?

# %%
choices = ["the top: maps with every pixel", "all levels about equally", "the bottom: the smallest maps"]
with predict("Which part of the U-Net holds the most parameters?", choices) as reveal:
    original = segcourse.UNet(3, 2)
    parts = {"level 1, down": original.stem}
    parts |= {f"level {level}, down": part for level, part in enumerate(original.downs, start=2)}
    parts |= {f"level {4 - step}, up": part for step, part in enumerate(original.ups)}
    millions = {name: library_count(part) / 1e6 for name, part in parts.items()}
    show_bars(millions, xlabel="parameters, millions")
    bottom = millions["level 5, down"] + millions["level 4, up"]
    total = library_count(original) / 1e6
    print(f"{total:.2f} million in all; {bottom / total:.0%} in level 5 and in the step up from it")
    reveal(choices[2] if bottom > total / 2 else choices[1])

# %% [markdown]
# <details><summary>Why?</summary>
#
# A 3 x 3 kernel from 1024 to 1024 channels has nine million weights, and it works on a map with 1/256 of the pixels. The two
# parts of level 1, which draw the outline at full size, hold very few. So a U-Net with too many parameters for your data is
# slimmed at the bottom: fewer channels, or one level less. (The memory of a training is another matter: most of it holds the
# large maps at the top.)
# </details>

# %% [markdown]
# ### Exercise 3.4 · `count_parameters` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Count the numbers that training may change.
#
# - `model`: any `nn.Module`
# - returns an int: how many numbers there are in its parameters, biases included, also in layers inside layers
# - a frozen parameter (`requires_grad` is False) does not count; a layer or a weight that is used twice counts once;
#   what is measured and not trained (batch norm's running mean and variance) does not count
#
# <details><summary>Hint 1: what does a parameter know about itself?</summary>
# <code>model.parameters()</code> goes through all parameters, each one once. A tensor knows its number of elements:
# <code>numel()</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "count_parameters", "locked": false, "schema_version": 3, "solution": true, "task": false}
def count_parameters(model):
    """Return how many trainable numbers `model` has, an int."""
    raise NotImplementedError("Exercise 3.4")


# %% tags=["raises-exception"]
print(count_parameters(nn.Conv2d(3, 8, kernel_size=3)))  # 3 x 3 x 3 x 8 weights and 8 biases

# %% nbgrader={"grade": true, "grade_id": "check_count_parameters", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("count_parameters", count_parameters)

# %% [markdown]
# ## 7. Not everything should cross (stretch)
#
# A skip carries everything: the border, but also each hair and the ruler. The level below already knows roughly where
# the lesion is. An *attention gate* lets the level below decide. Pixel by pixel, it weakens the skip where nothing is
# interesting (Oktay et al. 2018). Sections 8 to 10 don't need this exercise.
#
# $$\text{attention} = \sigma\big(\psi(\text{ReLU}(W_x\,\text{skip} + W_g\,\text{gate}))\big), \qquad
# \text{out} = \text{skip} \cdot \text{attention}$$
#
# Here $\sigma$ is the sigmoid, and $W_x$, $W_g$ and $\psi$ are 1 x 1 convolutions.

# %% [markdown]
# ### Exercise 3.5 · `AttentionGate` · difficulty 2 of 3 · 15 minutes · 3 points
#
# Write the gate.
#
# - `AttentionGate(gate_channels, skip_channels, inner_channels)`, `forward(gate, skip)`
# - `gate`: N x gate_channels x h x w, from the level below; `skip`: N x skip_channels x H x W, about twice the size
# - $W_g$ and $W_x$ are two separate 1 x 1 convolutions to inner_channels, $\psi$ one from inner_channels to a single channel; no
#   batch norm
# - the gate (or $W_g$ gate) is enlarged to H x W by interpolation (nearest or bilinear) before the sum
# - returns N x skip_channels x H x W: the skip, each pixel of it multiplied by one number between 0 and 1
#
# <details><summary>Hint 1: sizes first</summary>
# <code>F.interpolate(gate, size=skip.shape[-2:])</code> gives both the same size.
# </details>
# <details><summary>Hint 2: shapes, step by step</summary>
# gate 1 x 8 x 2 x 3, after W_g 1 x 2 x 2 x 3, enlarged 1 x 2 x 5 x 6. skip 1 x 4 x 5 x 6, after W_x 1 x 2 x 5 x 6.
# Their sum, ReLU, ψ and sigmoid: 1 x 1 x 5 x 6.
# </details>
# <details><summary>Hint 3: one map for all channels</summary>
# A tensor N x 1 x H x W times one of N x C x H x W is broadcast over the channels.
# </details>


# %% nbgrader={"grade": false, "grade_id": "AttentionGate", "locked": false, "schema_version": 3, "solution": true, "task": false}
class AttentionGate(nn.Module):
    """Fade the skip where the coarser gate sees nothing of interest; returns the skip's shape."""

    def __init__(self, gate_channels, skip_channels, inner_channels):
        raise NotImplementedError("Exercise 3.5")

    def forward(self, gate, skip):
        raise NotImplementedError("Exercise 3.5")


# %% tags=["raises-exception"]
gate, skip = torch.rand(1, 8, 2, 3), torch.rand(1, 4, 5, 6)
print(AttentionGate(8, 4, 2)(gate, skip).shape)

# %% nbgrader={"grade": true, "grade_id": "check_AttentionGate", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("AttentionGate", AttentionGate)

# %% [markdown]
# ## 8. The ladder
#
# The ladder compares nine methods of the course on the same 120 held-out lesions, and shows the Dice of every lesion. Otsu's
# threshold (1979) calls everything darker than one grey value a lesion, and learns nothing. The networks' results are means over
# ten seeds. Your results are below them.

# %% tags=["skip-grading"]
chart = ladder.show({f"yours, {name}": scores for name, scores in dice.items()})

# %% [markdown]
# A threshold fails on many of these lesions, because hairs, rulers and dark corners are dark, too. The green band shows how well
# two people agree, and the dashed line is their median. The U-Net's median reaches that line, partly because these lesions are
# easy: drawn by code, with clear borders. The two people outlined real photographs.

# %% [markdown]
# ## 9. When it goes wrong
#
# Three mistakes that are common in real notebooks, each with its symptom. Read the symptom, find the line, repair it in place, and run
# the cell again. Nothing here is graded.
#
# ### 9.1 "The same picture, another mask"

# %%
torch.manual_seed(0)
network = segcourse.UNet(3, 2, width=4)
image, other, another = (sample.image for sample in pictures.test[:3])
with torch.no_grad():
    first = network(torch.stack([image, other]))[0]
    second = network(torch.stack([image, another]))[0]
print(f"logits of the same picture differ by up to {(first - second).abs().max():.2f} (expected: 0)")

# %% [markdown]
# <details><summary>Where to look</summary>
# What does batch norm use in training mode: the averages collected during training, or those of the current batch? A
# network needs one method call before it predicts.
# </details>
#
# ### 9.2 "Good in validation, poor in the demo"

# %% tags=["skip-grading"]
network = trials.segmenters["with skips", seed].model
with torch.no_grad():
    found = torch.stack([network(sample.image[None]).argmax(dim=1)[0] for sample in pictures.test])
before = dice["with skips"].mean()
print(f"mean Dice {dice_score(found, masks).mean():.2f}; section 5 measured {before:.2f}")

# %% [markdown]
# <details><summary>Where to look</summary>
# The weights are the same, so the inputs must differ. <code>fit</code> normalises each picture before the network sees
# it: it subtracts a mean per colour channel and divides by a standard deviation. No line does that here.
# (<code>trials.segmenters["with skips", seed]</code> has <code>.mean</code> and <code>.std</code>, and its
# <code>predict</code> uses them.)
# </details>
#
# ### 9.3 "The new head never learns"
#
# A network with a fixed body gets a new last layer, for another task. The loss does not move.

# %%
torch.manual_seed(0)
network = segcourse.UNet(3, 2, width=4)
for part in (network.stem, network.downs, network.ups):
    part.requires_grad_(False)  # only the last layer should learn
optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
network.head = nn.Conv2d(4, 2, kernel_size=1)
image, target = pictures.test[0].image[None], masks[:1]
history = []
for _ in range(20):
    loss = F.cross_entropy(network(image), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())
print("loss every five steps:", [f"{value:.2f}" for value in history[::5]])

# %% [markdown]
# <details><summary>Where to look</summary>
# Which tensors did the optimizer get, and when? Compare <code>id(network.head.weight)</code> with the ids of the
# parameters in <code>optimizer.param_groups</code>.
# </details>

# %% [markdown]
# ## 10. In five lines
#
# 1. Downsampling gains context and loses position: a 4 x 4 map knows that there is a lesion, not where its border runs.
# 2. A skip takes the encoder's features, from before the pooling, straight to the decoder level of the same size.
# 3. Each halving of an odd size loses a row or a column. `Up` pads to the skip, so a picture of any size comes back
#    whole.
# 4. Three quarters of the parameters sit at the bottom. The few at the top draw the outline.
# 5. The network ends in logits, because the loss applies softmax itself. A second softmax would squeeze the gradient.
#
# **Read on.** Ronneberger, Fischer and Brox 2015, *U-Net* (arXiv 1505.04597): section 2 and figure 1 for the
# architecture (without batch norm), section 3 for the weighted loss and the initialisation. Oktay et al. 2018,
# *Attention U-Net* (arXiv 1804.03999): section 2, equations 1 and 2, for the gate (which shrinks the skip instead of
# enlarging the gate). Lesson 4 shows a network that gives up less of the detail on its way.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("03_unet.ipynb")
