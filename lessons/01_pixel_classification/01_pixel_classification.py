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
# # Lesson 1 · Pixel classification: a mask without a network
#
# A segmentation is a class for every pixel. You can get one without any network: with a threshold, a click, a
# clustering, or a forest of decision trees. Each of these methods takes a few lines. On some pictures they are all you
# need, and on others they show you what a network has to be better at.
#
# The lesson has two sittings. **Sitting 1, masks and thresholds** (sections 1 to 4) takes about 70 minutes. **Sitting
# 2, colours and features** (sections 5 to 10) takes about 35 minutes. You need Python and a little PyTorch: you know
# what a tensor and its shape are. The cells run for about a minute in all. The photograph comes with scikit-learn, and
# a program draws the lesions, so the lesson works offline.

# %% [markdown]
# ## What you will be able to do
#
# Sitting 1, masks and thresholds:
#
# - show a mask in colour, whatever type its ids have: `colourise`
# - turn class ids into one channel per class, and say when you need them: `one_hot`
# - let the picture choose its threshold: `otsu_threshold`
# - grow a region from a click, and say what it depends on: `grow_region`
#
# Sitting 2, colours and features:
#
# - describe each pixel by numbers that a classifier can use: `pixel_features`
# - compute the pixel accuracy, and say when it lies: `pixel_accuracy`

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
from pathlib import Path

import cv2
import numpy as np
import sklearn.datasets
import torch
import torch.nn.functional as F

from segcourse import Palette, check, classical, dice_score, exercises, show_image, show_results
from segcourse.course import ladder
from segcourse.plotting import outline, overlay, show_bars, show_curves
from segcourse.widgets import click_to_segment, play, predict, threshold_explorer

# %%
photo = torch.from_numpy(
    sklearn.datasets.load_sample_image("flower.jpg")[::2, ::2].copy()
)  # uint8, 214 x 320 x 3
picture = photo.permute(2, 0, 1)  # 3 x 214 x 320, as networks want it: colours, rows, columns
red = picture[0]  # 214 x 320
lesions = ladder.pictures()  # .train, .test, .tiny: pictures of 64 x 64 pixels with their true masks
truth = torch.stack([sample.mask for sample in lesions.test])  # 120 x 64 x 64; 0 is skin, 1 is lesion

# %% [markdown]
# # Sitting 1 · Masks and thresholds
#
# ## 1. Where this lesson leads
#
# ![First row: a photograph of a flower, the mask of a threshold with both flowers, a region with only the large
# flower, and four groups of colours. Second row: a lesion with its true outline, and the ragged outlines of a
# threshold, of k-means and of a random forest, with their Dice scores. Two of them contain a ruler.](result.png)
#
# Each method of this lesson looks at single pixels, or at a few neighbours. None of them knows what a flower or a
# lesion is.

# %% [markdown]
# ## 2. A picture is an array, and so is a mask
#
# A photograph is an array of numbers: rows, columns and three colours, mostly of type uint8 (whole numbers from 0 to
# 255). Networks in PyTorch want the colours first. Most functions that load a picture return red, green,
# blue (RGB). OpenCV returns blue, green, red (BGR). To move the colours to the front, many notebooks write
# `transpose(2, 0, 1)`.

# %%
choices = ["orange, as in the garden", "blue", "black"]
with predict("The flower is orange. What colour does it have in this tensor?", choices) as reveal:
    file = Path(sklearn.datasets.__file__).parent / "images" / "flower.jpg"
    pixels = cv2.imread(str(file))  # H x W x 3
    tensor = torch.from_numpy(pixels.transpose(2, 0, 1)[:, ::2, ::2].copy())  # 3 x H x W
    titles = ["as it is", "cv2.imread and transpose(2, 0, 1)"]
    show_image([picture, tensor], titles, alt="An orange flower, and the same flower in blue.")
    r, g, b = tensor[:, 80:160, 120:200].float().mean(dim=(1, 2)).tolist()  # the middle of the flower
    print(f"middle of the flower: red {r:.0f}, green {g:.0f}, blue {b:.0f}")
    reveal(choices[1] if b > r else choices[0])

# %% [markdown]
# <details><summary>Why?</summary>
#
# `transpose(2, 0, 1)` moves the colour axis to the front. It doesn't change the order *along* that axis, which is still
# blue, green, red. Two other lines do: `cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)`, or `pixels[..., ::-1]`. You get no
# error. A network that was trained on RGB just gets worse.
# </details>
#
# ### Ids are names
#
# A *mask* is an array of rows and columns, with one class id per pixel. Suppose that our classes are 0 background, 1
# bee and 2 flower. There is no bee in this picture. We call a pixel flower if its red is above 107. (In section 3 you
# compute this number.)

# %%
mask = torch.where(red > 107, 2, 0)  # 214 x 320, int64
print(mask.shape, mask.dtype, "ids:", mask.unique().tolist())

# %% [markdown]
# Saved as a picture, such a mask looks black: grey value 2 of 255. So people multiply it by 255 to see something. In
# uint8, the type of most saved masks, a product above 255 starts again at 0.

# %%
question = "A uint8 mask has classes 0 to 3. Which grey value does class 3 get in `mask * 255`?"
with predict(question, ["765", "255", "253", "0"]) as reveal:
    print("ids", np.arange(4), "become", np.arange(4, dtype=np.uint8) * 255)
    classes = classical.kmeans(photo, k=4).byte()  # four classes: groups of similar colours
    alt = "The flower, and a mask in black and white in which three of four classes can't be told apart."
    show_image([picture, classes * 255], ["photograph", "four classes, times 255"], alt=alt)
    reveal(str((np.arange(4, dtype=np.uint8) * 255)[3]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# 3 times 255 is 765, and 765 - 512 is 253. Class k, from 1 on, becomes 256 - k. So the first classes look almost
# white, and a mask with several classes looks like a mask with two. Give each class a colour instead. The list of colours is called a
# *palette*.
# </details>

# %% [markdown]
# ### Exercise 1.1 · `colourise` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Look up each pixel's colour.
#
# - `mask`: integer tensor H x W with class ids 0 … C - 1, of any integer type (uint8, int16, int32 or int64)
# - `palette`: uint8 tensor C x 3; row k is the colour of class k as red, green, blue. A class may have any colour, and
#   not every class has to occur in the mask
# - returns a tensor H x W x 3: for each pixel the three numbers of its class's colour, 0 to 255; any type of number that
#   holds 255 will do
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. You may use other functions for single steps. An answer never changes its inputs.
#
# <details><summary>Hint 1: where do I start?</summary>
# A tensor of ids may be an index: <code>palette[ids]</code> takes a row for each id, all at once.
# </details>
# <details><summary>Hint 2: right for int64, an error for uint8</summary>
# In square brackets, PyTorch reads a uint8 tensor as yes and no. Which type does an index need?
# </details>


# %% nbgrader={"grade": false, "grade_id": "colourise", "locked": false, "schema_version": 3, "solution": true, "task": false}
def colourise(mask, palette):
    """Turn class ids H x W into colours H x W x 3; row k of the palette is the colour of class k."""
    raise NotImplementedError("Exercise 1.1")


# %% tags=["raises-exception"]
palette = torch.tensor([[0, 0, 0], [230, 159, 0]], dtype=torch.uint8)
print(colourise(torch.tensor([[0, 1, 1]]), palette))

# %% nbgrader={"grade": true, "grade_id": "check_colourise", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("colourise", colourise)

# %% [markdown]
# ### Ids are not amounts
#
# The mask has the size of the photograph, and a network often wants smaller pictures. So both are resized. OpenCV
# interpolates linearly unless you say otherwise.

# %%
question = "The mask holds 0 and 2. It is resized to half its size. How many pixels are bee (1) then?"
with predict(question, {"none": 0, "1 to 100": 1, "more than 100": 101}) as reveal:
    small = cv2.resize(mask.byte().numpy(), (160, 107))  # OpenCV takes (width, height)
    bees = torch.from_numpy(small == 1)
    palette = Palette.default(["background", "bee", "flower"])
    image = overlay(picture[:, ::2, ::2], small, palette, alpha=0.7)
    show_image([image, bees], ["the small mask", "its bees"], alt="A flower; the bees form its outline.")
    print(f"{bees.sum()} bees. With interpolation=cv2.INTER_NEAREST:", end=" ")
    nearest = cv2.resize(mask.byte().numpy(), (160, 107), interpolation=cv2.INTER_NEAREST)
    print((nearest == 1).sum())
    reveal(bees.sum())

# %% [markdown]
# <details><summary>Why?</summary>
#
# Halfway between 0 and 2 lies 1. That is true for amounts. But ids are names: halfway between background and flower
# there is no bee. Resize masks with `INTER_NEAREST`, which takes one of the pixels and never calculates.
# </details>
#
# To calculate with classes, give each class its own channel, with 1 where the class is and 0 elsewhere. This form is
# called *one-hot*. Losses and scores use it, and the mean of two channels is a sensible number.
#
# Some pixels have no known class: at a blurred border, say, or outside the picture. In many data sets such *void* pixels have the
# id 255.

# %% [markdown]
# ### Exercise 1.2 · `one_hot` · difficulty 2 of 3 · 10 minutes · 4 points
#
# One channel per class.
#
# - `mask`: integer tensor H x W or N x H x W, of any integer type, with class ids 0 … num_classes - 1, and 255 where a
#   pixel is void. num_classes is at most 255
# - returns a tensor num_classes x H x W for a single mask, and N x num_classes x H x W for a batch, also for a batch of
#   one
# - channel k is 1 where the mask is k, and 0 elsewhere; any type of number will do, bool too
# - the channels of absent classes are there, and they are 0 everywhere
# - a void pixel is 0 in every channel
#
# <details><summary>Hint 1: where do I start?</summary>
# With one class: <code>mask == k</code> is its channel. Then all of them, in a loop or by broadcasting, and
# <code>torch.stack</code>.
# </details>
# <details><summary>Hint 2: I want to use F.one_hot</summary>
# It needs int64, refuses 255, and puts the classes into the last axis. <code>movedim</code> moves an axis;
# <code>reshape</code> doesn't.
# </details>
# <details><summary>Hint 3: right for a single mask, wrong for a batch</summary>
# Count axes from the end: the class axis comes just before the last two, at <code>-3</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "one_hot", "locked": false, "schema_version": 3, "solution": true, "task": false}
def one_hot(mask, num_classes):
    """Turn class ids (…, H, W) into one channel of 0 and 1 per class, (…, num_classes, H, W)."""
    raise NotImplementedError("Exercise 1.2")


# %% tags=["raises-exception"]
print(one_hot(torch.tensor([[0, 1], [2, 255]]), num_classes=3))

# %% nbgrader={"grade": true, "grade_id": "check_one_hot", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("one_hot", one_hot)

# %% [markdown]
# In one-hot form, linear interpolation invents no class between two others. (Void would need care: all its channels are 0, so it
# would become class 0. This mask holds none.) Each pixel takes the class whose channel is largest:

# %%
my_one_hot = exercises.yours("one_hot", one_hot)
channels = my_one_hot(mask, 3).float()[None]  # 1 x 3 x 214 x 320
small = F.interpolate(channels, size=(107, 160), mode="bilinear").argmax(dim=1)
print("bees after resizing the channels:", (small == 1).sum().item())

# %% [markdown]
# ## 3. One number decides
#
# The simplest segmentation is a threshold. The flower is bright in the red channel, so call every pixel above the
# threshold flower. Move the slider. How many thresholds cut out the flowers well?

# %%
names = Palette.default(["background", "flower"])
explorer = threshold_explorer(photo, red, threshold=40, palette=names, title="photograph")

# %% [markdown]
# With a thousand pictures, you can't move a thousand sliders. Otsu (1979) let the picture choose. A threshold t splits
# the pixels into a dark group, `gray <= t`, and a bright group, `gray > t`. A good threshold makes both groups uniform
# and their means different. Otsu takes the t that makes this number largest:
#
# $$n_\text{dark} \cdot n_\text{bright} \cdot (\text{mean}_\text{dark} - \text{mean}_\text{bright})^2$$
#
# Here $n$ counts the pixels of a group. The means should be far apart, and the counts keep a few odd pixels from
# deciding. Divided by the square of the number of all pixels, this is the *variance between the groups*.

# %% [markdown]
# ### Exercise 1.3 · `otsu_threshold` · difficulty 2 of 3 · 15 minutes · 3 points
#
# Find the best threshold.
#
# - `gray`: uint8 tensor H x W with at least two different values
# - returns an int t: the pixels with `gray <= t` are the dark group, all others the bright group, and neither group is
#   empty
# - t makes the number above as large as possible. Of several equally good t, return the smallest
#
# <details><summary>Hint 1: where do I start?</summary>
# There are at most 255 candidates: try them all. A bool tensor in brackets selects pixels, <code>gray[gray &lt;=
# t]</code>. (Faster: count the pixels of each grey value once, with <code>torch.bincount</code>. Cumulative sums then
# give the counts and means for every t.)
# </details>
# <details><summary>Hint 2: errors, or strange numbers</summary>
# The mean of uint8 is an error, and products in uint8 wrap around: convert with <code>.double()</code>. The mean of no
# pixels is NaN: skip a t that leaves a group empty.
# </details>
# <details><summary>Hint 3: always one too high, or one too low</summary>
# To which group do the pixels that equal t belong?
# </details>


# %% nbgrader={"grade": false, "grade_id": "otsu_threshold", "locked": false, "schema_version": 3, "solution": true, "task": false}
def otsu_threshold(gray):
    """Return the threshold t, an int, that splits the grey values best into `gray <= t` and `gray > t`."""
    raise NotImplementedError("Exercise 1.3")


# %% tags=["raises-exception"]
print(otsu_threshold(torch.tensor([[10, 12, 13], [80, 82, 90]], dtype=torch.uint8)))

# %% nbgrader={"grade": true, "grade_id": "check_otsu_threshold", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("otsu_threshold", otsu_threshold)

# %% [markdown]
# Which grey values should we split? A photograph offers three channels. The variance between the groups, divided by the
# whole variance, says how well two groups describe the values: 1 is perfect.

# %%
my_threshold = exercises.yours("otsu_threshold", otsu_threshold)
with predict("Which channel splits best into two groups?", ["red", "green", "blue"]) as reveal:
    masks, quality = {}, {}
    for name, values in zip(["red", "green", "blue"], picture, strict=True):
        t = my_threshold(values)
        masks[f"{name} above {t}"] = bright = values > t
        values = values.double()
        means = torch.where(bright, values[bright].mean(), values[~bright].mean())
        quality[name] = (means.var() / values.var()).item()
    alt = "Three masks: whole flowers from red, parts of them from green, leaves as well from blue."
    show_image([*masks.values()], [*masks], alt=alt)
    show_bars(quality, xlabel="variance between the groups, fraction of the whole")
    reveal(max(quality, key=quality.get))

# %% [markdown]
# <details><summary>Why?</summary>
#
# The flower is orange: full of red, with some green and little blue. The leaves have almost no red. So the best grey
# value depends on what you look for. The usual mix, 30 % red, 59 % green and 11 % blue, imitates the eye's sense of
# brightness and knows nothing about flowers.
# </details>
#
# ### Where a threshold fails
#
# Now the pictures of this course. Each shows a lesion (a conspicuous spot of skin, such as a mole), and a lesion is
# darker than skin. We score each mask with the *Dice score*: twice the shared area, divided by the sum of both areas.
# It is 1 for equal masks, and 0 for masks that share nothing.

# %%
bands = {"below 10 %": 0.0, "10 to 30 %": 0.1, "over 30 %": 0.3}
with predict("On what fraction of 120 lesions does Otsu's mask have a Dice below 0.5?", bands) as reveal:
    found = torch.stack([classical.otsu(sample.image) for sample in lesions.test])  # darker is lesion
    dice = dice_score(found, truth)
    chosen = dice.argsort()[[5, 20, 110]].tolist()
    images, truths = [lesions.test[i].image for i in chosen], [truth[i] for i in chosen]
    show_results(images, truths, [found[i] for i in chosen], palette=Palette.lesion())
    print(f"mean Dice {dice.mean():.2f}; below 0.5: {(dice < 0.5).float().mean():.0%}")
    reveal((dice < 0.5).float().mean())

# %% [markdown]
# <details><summary>What goes wrong?</summary>
#
# Otsu always finds two groups. They are the two groups that describe the *grey values* best: often not skin and lesion,
# but dark corners and the rest, or light and shadow. The last column shows the mistakes: red-orange is skin called
# lesion, light blue is lesion called skin.
# </details>

# %% [markdown]
# ## 4. A region grows from a click
#
# The threshold found both flowers. What if you want only one? Click on it. The region starts as that one pixel, the
# *seed*. Then it takes in neighbours that have a similar value, and their neighbours, and so on. Similar means: the
# difference to the seed's value is at most the *tolerance*.
#
# We click on the middle of the large flower. At tolerance 100, the region covers 12 % of the picture.

# %%
small, seed = red[::2, ::2], (52, 76)  # 107 x 160; row and column of the click
bands = {"about 12 %": 0.0, "about 25 %": 0.2, "about 50 %": 0.4, "almost everything": 0.8}
with predict("How much of the picture does the region cover at tolerance 115?", bands) as reveal:
    tolerances = [60, 80, 90, 95, 100, 105, 110, 115, 120]
    regions = [classical.grow_region(small, seed, tolerance) for tolerance in tolerances]
    shares = [region.float().mean().item() for region in regions]
    pictures = [overlay(picture[:, ::2, ::2], region, alpha=0.8) for region in regions]
    captions = [f"{share:.0%} of the picture" for share in shares]
    play(pictures, tolerances, captions, name="tolerance")
    show_curves(
        {"region": shares}, tolerances, xlabel="tolerance", ylabel="share of the picture", ylim=(0, 1)
    )
    petal, leaf = small[small > 107].median(), small[small <= 107].median()
    print(f"red of the seed {small[seed]}, of a typical petal {petal}, of a typical leaf {leaf}")
    reveal(shares[tolerances.index(115)])

# %% [markdown]
# <details><summary>Why so suddenly?</summary>
#
# Look at the three numbers. The click hit a dark spot between two petals. A typical petal differs from this seed by
# 103, and a typical leaf by 113. So a tolerance that is large enough for most petals is almost large enough for the
# leaves. The leaves fill most of the picture and hang together, so they come all at once. A region depends on the one
# pixel that you hit.
# </details>

# %% [markdown]
# ### Exercise 1.4 · `grow_region` · difficulty 3 of 3 · 20 minutes · 4 points
#
# Grow the region.
#
# - `gray`: tensor H x W, uint8 or float
# - `seed`: (row, column) of a pixel, two ints; `tolerance`: a number, 0 or larger, in the unit of the grey values
# - a pixel is similar if its value differs from the *seed's* value by at most the tolerance, up or down
# - the region holds the seed, and every similar pixel that a chain of similar pixels connects to it. Each pixel of the
#   chain is a direct neighbour of the one before: above, below, left or right, not diagonal
# - the picture ends at its border; the opposite side is no neighbour
# - returns a tensor H x W: 1 in the region and 0 elsewhere; any type of number will do, bool too
#
# A region may have many pixels: the check has one of 64 x 64. A function that calls itself for each pixel ends in a
# `RecursionError` there. Use a list or a loop.
#
# If your cell never ends, stop it with *Kernel → Interrupt Kernel*: your region probably visits the same pixels again
# and again.
#
# <details><summary>Hint 1: two ways</summary>
# With a list: start with the seed in it. Take a pixel out, look at its four neighbours, and put those that are new and
# similar into the list. Or with whole pictures: shift the region by one pixel in each direction, keep what is similar,
# and repeat until nothing changes.
# </details>
# <details><summary>Hint 2: pixels that are slightly darker are missing</summary>
# What is 50 - 52 in uint8? Convert before you subtract.
# </details>
# <details><summary>Hint 3: an error at the border, or a region on the other side</summary>
# Check <code>0 &lt;= row &lt; H</code> before you index: -1 is the last row, and no error.
# </details>


# %% nbgrader={"grade": false, "grade_id": "grow_region", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grow_region(gray, seed, tolerance):
    """Return 1 for the pixels that a chain of similar 4-neighbours connects to the seed, else 0: H x W."""
    raise NotImplementedError("Exercise 1.4")


# %% tags=["raises-exception"]
gray = torch.tensor([[50, 52, 90], [90, 51, 90], [52, 90, 51]], dtype=torch.uint8)
print(grow_region(gray, seed=(0, 0), tolerance=5))  # three pixels of 1

# %% nbgrader={"grade": true, "grade_id": "check_grow_region", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("grow_region", grow_region)

# %% [markdown]
# One remedy: take the mean over a small square first. Then the seed's value is that of its surroundings, and a single
# odd pixel matters less. The click is the same as before.

# %%
my_grow = exercises.yours("grow_region", grow_region)
smooth = F.avg_pool2d(red[None].float(), kernel_size=9, stride=1, padding=4)[0, ::2, ::2]
pictures, titles = [], []
for name, values in {"as it is": small, "smoothed": smooth}.items():
    for tolerance in (60, 110):
        region = my_grow(values, seed, tolerance).long()
        pictures.append(overlay(picture[:, ::2, ::2], region, alpha=0.8))
        titles.append(f"{name}, tolerance {tolerance}: {region.float().mean():.0%}")
show_image(pictures, titles, alt="Share of the picture that each region covers: " + "; ".join(titles))

# %% [markdown]
# Smoothed, tolerance 60 gives almost the whole flower and nothing else. At 110 the region has *leaked*: a few pixels
# between the two flowers became similar enough, and behind this bridge lies the second flower. One open door is enough.

# %% [markdown]
# Now click yourself, on a petal or on a leaf, and move the tolerance. (This widget compares grey values, not red. Without
# a mouse, two sliders move the click.) The other method, GrabCut, finds the border from the colours in a box around the
# click. Section 8 says more about it.

# %%
clicks = click_to_segment(photo, seed=(60, 150), tolerance=40, grabcut_clicks=(2, 3))

# %% [markdown]
# **This is the end of sitting 1.** In four lines:
#
# 1. A mask holds ids. Ids are names: never interpolate them, and look their colours up in a palette.
# 2. Know the order of the axes, and the order along the colour axis. Print shapes, and look at the picture.
# 3. Otsu's threshold needs no parameter, and it works where the histogram has two hills that are your two classes.
# 4. A region from a click stays in one piece. It depends on the pixel that you hit, and it leaks over narrow bridges.

# %% [markdown]
# # Sitting 2 · Colours and features
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 5. Groups of colours: k-means
#
# Otsu splits one number into two groups. *k-means* splits colours, three numbers each, into k groups. It starts with k
# colours. Then two steps alternate: each pixel joins the nearest colour, and each colour moves to the mean of its
# pixels. When nothing moves any more, the pixels of a group are a *cluster*. Choose the number of clusters:

# %%
counts = [2, 3, 4, 5, 6]
palette = Palette.default(max(counts))
pictures = [palette.colourise(classical.kmeans(photo, k).numpy()) for k in counts]
captions = [f"{k} clusters, the darkest in black" for k in counts]
clusters = play(pictures, counts, captions, name="k")

# %% [markdown]
# Our `kmeans` numbers its clusters from dark to bright. No cluster has a name: that cluster 2 is "flower" is our own
# idea. Now we destroy the photograph. We shuffle all pixels, and cluster the shuffled ones.

# %%
question = "Back in their places, what fraction of the pixels has another cluster than before?"
with predict(question, {"almost none": 0.0, "about a third": 0.05, "about two thirds": 0.5}) as reveal:
    pixels = photo.reshape(-1, 1, 3)  # one long column of pixels
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    before, shuffled = classical.kmeans(pixels, 3), classical.kmeans(pixels[order], 3)
    noise = pixels[order].reshape(photo.shape).permute(2, 0, 1)
    show_image([picture, noise], ["photograph", "shuffled"], alt="A flower, and coloured noise.")
    changed = (before[order] != shuffled).float().mean()
    print(f"changed: {changed:.1%}")
    reveal(changed)

# %% [markdown]
# <details><summary>Why?</summary>
#
# k-means sees a bag of colours. *Where* a pixel stands plays no part, and neither do its neighbours. The same holds for
# a threshold. That is what *pixel classification* means: each pixel is classified by itself. You recognise no flower in
# the noise, because for you the places matter.
# </details>

# %% [markdown]
# ## 6. Rules learned from examples: a forest
#
# So far nothing was learned from true masks. A *random forest* learns. It is a set of decision trees, and each tree asks
# questions such as "is red below 0.4?" until it knows the class of most training pixels. Each tree is trained on a different
# random part of the pixels, and may ask different questions. Then all trees vote. The numbers that a tree may ask about are the
# *features* of the pixel.
#
# Here are two sets of features: the three colours, and the three colours minus the mean colour of the picture. Each
# forest learns from 200 pixels of each of 100 lesions.


# %%
def absolute(image):
    """The colour of each pixel: one row per pixel, one column per colour."""
    return image.flatten(1).T


def relative(image):
    """The colour of each pixel, minus the mean colour of the picture."""
    return (image - image.mean(dim=(1, 2), keepdim=True)).flatten(1).T


def score(features):
    """Train a forest on these features, and return its masks of the 120 lesions with their mean Dice."""
    forest = classical.PixelForest(features).fit(lesions.train[i] for i in range(100))
    found = torch.stack([forest.predict(sample.image) for sample in lesions.test])
    return found, dice_score(found, truth).mean().item()


# %%
bands = {"it falls": -1.0, "it stays about the same": -0.02, "it rises by more than 0.1": 0.1}
with predict("Absolute colours, then relative ones: what happens to the mean Dice?", bands) as reveal:
    skin = [sample.image[:, sample.mask == 0].mean() for sample in lesions.test]
    dark, *_, light = [lesions.test[i] for i in np.argsort(skin)[4:-3]]  # by the brightness of the skin
    titles = [f"skin: brightness {dark.image[:, dark.mask == 0].mean():.2f}"]
    titles += [f"lesion: brightness {light.image[:, light.mask == 1].mean():.2f}"]
    pair = [outline(sample.image, sample.mask) for sample in (dark, light)]
    show_image(pair, titles, alt="Dark skin and light skin, each with a lesion: " + "; ".join(titles))
    scores = {"absolute": score(absolute)[1], "relative": score(relative)[1]}
    show_bars(scores, xlabel="mean Dice of a forest on 120 lesions")
    reveal(scores["relative"] - scores["absolute"])

# %% [markdown]
# <details><summary>Why?</summary>
#
# The skin on the left is darker than the lesion on the right. No rule about absolute colours fits both people. A lesion
# is darker than *its own* skin, and the mean colour of a picture is mostly skin. A forest can't compute such a
# difference from one pixel, so the features must contain it. That is the work of a person here. A network learns its
# features itself.
# </details>
#
# One more idea: a single pixel may be noise, a speck or a hair. The mean colour of the 5 x 5 pixels around it is steadier.

# %% [markdown]
# ### Exercise 1.5 · `pixel_features` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Describe each pixel by six numbers.
#
# - `image`: float tensor 3 x H x W with values from 0 to 1, of any size
# - returns a float tensor (H * W) x 6: one row per pixel, in reading order (the first row of pixels from left to right,
#   then the second)
# - columns 0 to 2: red, green and blue of the pixel, each minus the mean of that channel over the whole image
# - columns 3 to 5: the mean of red, green and blue over the square of 5 x 5 pixels around the pixel, each minus the
#   mean of that channel over the whole image. At the border, take the mean of those pixels of the square that lie
#   inside the image
#
# <details><summary>Hint 1: which function takes means over squares?</summary>
# <code>F.avg_pool2d(image, 5, stride=1, padding=2)</code>. The padding adds zeros. One of its arguments says whether
# they count.
# </details>
# <details><summary>Hint 2: from 6 x H x W to rows</summary>
# <code>flatten(1)</code> keeps the first axis and joins the others in reading order. Then you have one row per feature,
# and want one row per pixel.
# </details>


# %% nbgrader={"grade": false, "grade_id": "pixel_features", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pixel_features(image):
    """Turn an image 3 x H x W into one row of six numbers per pixel, (H * W) x 6."""
    raise NotImplementedError("Exercise 1.5")


# %% tags=["raises-exception"]
image = torch.tensor([[[0.0, 1.0]], [[0.5, 0.5]], [[1.0, 0.0]]])  # 1 x 2 pixels: blue and red
print(pixel_features(image))

# %% nbgrader={"grade": true, "grade_id": "check_pixel_features", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("pixel_features", pixel_features)

# %%
my_features = exercises.yours("pixel_features", pixel_features)
found, scores["relative, and around"] = score(my_features)
show_bars(scores, xlabel="mean Dice of a forest on 120 lesions")
images, truths = [lesions.test[i].image for i in chosen], [truth[i] for i in chosen]  # those of section 3
show_results(images, truths, [found[i] for i in chosen], palette=Palette.lesion())

# %% [markdown]
# These are the three lesions of section 3. The surroundings add less than the relative colours did. And the masks are
# still ragged, because the forest decides pixel by pixel.

# %% [markdown]
# ## 7. The score that everybody computes first
#
# *Pixel accuracy* is the fraction of pixels with the right class. It is simple, and it works for classes of similar
# size. The fifty lesions below are tiny: each covers less than 2 % of its picture. We want one grey threshold for all
# of them, and choose the one with the highest pixel accuracy.

# %%
tiny = torch.stack([sample.mask for sample in lesions.tiny])
grey = torch.stack([sample.image.mean(dim=0) for sample in lesions.tiny])
thresholds = [step / 20 for step in range(13)]
bands = {"0.00": 0.0, "0.10 to 0.30": 0.1, "above 0.30": 0.3}
with predict("What mean Dice does the threshold with the highest accuracy have?", bands) as reveal:
    masks = {t: (grey < t).long() for t in thresholds}
    accuracy = [(found == tiny).float().mean().item() for found in masks.values()]
    overlap = [dice_score(found, tiny).mean().item() for found in masks.values()]
    curves = {"pixel accuracy": accuracy, "mean Dice": overlap}
    show_curves(curves, thresholds, xlabel="threshold: darker pixels are lesion", ylabel="score", ylim=(0, 1))
    best = accuracy.index(max(accuracy))
    print(f"threshold {thresholds[best]}: accuracy {accuracy[best]:.0%}, mean Dice {overlap[best]:.2f}")
    reveal(overlap[best])

# %% [markdown]
# <details><summary>Why?</summary>
#
# The best threshold is 0: no pixel is darker, and **nothing is found**. That is right for 99 % of the pixels, because
# 99 % of the pixels are skin. Every threshold that finds something also makes mistakes on skin, and skin has far more
# pixels. Where one class is rare, accuracy rewards a method that finds nothing.
# </details>
#
# Lesson 5 is about scores that see rare classes. Still, write this one yourself, because you will meet it everywhere.

# %% [markdown]
# ### Exercise 1.6 · `pixel_accuracy` · difficulty 1 of 3 · 5 minutes · 3 points
#
# The fraction of right pixels.
#
# - `prediction` and `target`: integer tensors of the same shape, H x W or N x H x W, with class ids; their integer
#   types may differ
# - pixels whose target is 255 (void) are left out; the prediction never holds 255
# - returns a scalar tensor, a float from 0 to 1: right pixels divided by all labelled pixels. A batch gives one number
#   for all its pixels together
# - every pixel void: NaN
#
# <details><summary>Hint 1: my result is too low, or an error</summary>
# Void pixels must leave the numerator and the denominator. The mean of a bool tensor is an error: convert it first.
# </details>


# %% nbgrader={"grade": false, "grade_id": "pixel_accuracy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pixel_accuracy(prediction, target):
    """Return the fraction of the labelled pixels (target not 255) with the right class, a scalar tensor."""
    raise NotImplementedError("Exercise 1.6")


# %% tags=["raises-exception"]
print(pixel_accuracy(torch.tensor([[0, 1], [1, 1]]), torch.tensor([[0, 0], [1, 255]])))  # 2 of 3

# %% nbgrader={"grade": true, "grade_id": "check_pixel_accuracy", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("pixel_accuracy", pixel_accuracy)

# %% [markdown]
# ## 8. The ladder
#
# This chart grows through the course: every method on the same 120 lesions, which no method was trained on. Each dot is one
# lesion. All methods of this lesson are on it, and one more. *GrabCut* (Rother et al. 2004) gets a box around the object. It
# groups the colours inside the box and those outside it, and puts the border where neighbouring pixels differ most. Here nobody
# draws the box: it is the whole picture without a narrow margin. Region growing starts in the middle of the picture, at a fixed
# tolerance. Of two k-means clusters, the darker one is called lesion.

# %% tags=["skip-grading"]
train = [lesions.train[i] for i in range(100)]
masks = ladder.classical_masks(train, lesions.test)
dice_of = {name: dice_score(found, truth) for name, found in masks.items()}
for name, dice in dice_of.items():
    print(
        f"{name:17} mean Dice {dice.mean():.2f}   nothing of the lesion found: {(dice == 0).float().mean():.0%}"
    )
shipped = "Otsu's threshold"  # the course's results hold it already
chart = ladder.show({name: dice for name, dice in dice_of.items() if name != shipped}, shipped)

# %% [markdown]
# Look at GrabCut. It has the best median, 0.89, and it finds nothing of about one lesion in six. Its outlines are good because it
# looks at neighbours. It fails mostly on large lesions: they reach into the margin around the box, and what lies there counts as
# background. The forest's median is lower, and its mean is higher, because it rarely fails completely. A single number would hide
# all this, so the ladder shows every lesion.
#
# The green band holds the middle half of the Dice scores between two people who outlined the same real lesion, and the dashed
# line is the median. Our lesions are drawn by code, so don't compare the dots with the band directly.

# %% [markdown]
# ## 9. When it goes wrong
#
# Three mistakes that are common in real notebooks, each with its symptom. Read the symptom, find the line, repair it in
# place and run the cell again. Nothing here is graded.
#
# ### 9.1 "My two classes have become many"
#
# A mask of 0 and 255 is saved and read again.

# %%
saved = (mask > 0).byte().numpy() * 255
_, file = cv2.imencode(".jpg", saved)  # what cv2.imwrite("mask.jpg", saved) writes
loaded = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
print(f"saved {len(np.unique(saved))} different values, read {len(np.unique(loaded))}")

# %% [markdown]
# <details><summary>Where to look</summary>
# Which kind of file may change a pixel a little, because in a photograph you don't see it? PNG files keep every number.
# </details>
#
# ### 9.2 "On some pictures, lesion and skin are exchanged"
#
# Two clusters per picture, with scikit-learn. Cluster 1 is called lesion.

# %%
from sklearn.cluster import KMeans

wrong, right = [], []
for seed, sample in enumerate(lesions.test[:20]):
    pixels = sample.image.flatten(1).T.numpy()  # 4096 x 3
    labels = KMeans(n_clusters=2, n_init=1, random_state=seed).fit(pixels).labels_
    wrong.append(dice_score(torch.from_numpy(labels).reshape(64, 64), sample.mask))
    right.append(dice_score((classical.kmeans(sample.image) == 0).long(), sample.mask))
print(f"mean Dice {torch.stack(wrong).mean():.2f} (after the repair: {torch.stack(right).mean():.2f})")

# %% [markdown]
# <details><summary>Where to look</summary>
# Who says that cluster 1 is the dark one? The numbers of clusters depend on the random start. Compare the mean
# brightness of the two clusters, in each picture.
# </details>
#
# ### 9.3 "0.97 in my notebook, less on new pictures"
#
# A forest is tested on pixels that it was not trained on. Then it meets new pictures.

# %%
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

samples = [lesions.train[i] for i in range(10)]
rows = np.concatenate([classical.pixel_features(s.image).numpy() for s in samples])
labels = np.concatenate([s.mask.flatten().numpy() for s in samples])
rows, unseen, labels, unseen_labels = train_test_split(rows, labels, test_size=0.5, random_state=0)

forest = RandomForestClassifier(10, random_state=0).fit(rows, labels)
new = np.concatenate([classical.pixel_features(s.image).numpy() for s in lesions.test[:40]])
print(f"accuracy on unseen pixels {forest.score(unseen, unseen_labels):.2f}")
print(f"accuracy on new pictures  {forest.score(new, truth[:40].flatten().numpy()):.2f}")

# %% [markdown]
# <details><summary>Where to look</summary>
# What do a training pixel and the unseen pixel beside it have in common? Split the list <code>samples</code> before you make
# pixels of them. After the repair, both numbers answer the same question: how good is the forest on pictures that it hasn't seen?
# With five pictures to test on, the first number is rough: split in several ways, and see how much it moves. (Lesson 6 goes one
# step further, and splits by patient.)
# </details>

# %% [markdown]
# ## 10. What to use when
#
# | your pictures | method | why |
# | --- | --- | --- |
# | bright objects on a dark ground, or the reverse; even light | Otsu's threshold | no parameter, no training, and easy to explain |
# | a few pictures, and somebody who clicks | region growing, GrabCut | a person says what is meant; the method finds the border |
# | several materials with different colours | k-means | no labels needed; you name the clusters |
# | some labelled pictures, little time, no GPU | a forest on pixel features | learns from few examples, trains in seconds |
# | objects known by shape, texture or place | a network (from lesson 2 on) | it looks at much more than one pixel |
#
# Try the threshold first, always. It costs a minute, and it tells you how hard your problem is.
#
# **In five lines**
#
# 1. A mask is an array of ids. Ids are names, so resize them by nearest neighbour, and colour them with a palette.
# 2. uint8 starts again at 0 after 255. Convert before you subtract or multiply.
# 3. Thresholds and k-means classify each pixel by its colour alone. Shuffle the pixels, and they don't notice. A forest sees as
#    far as its features: here the 5 x 5 pixels around each pixel, and the mean colour of the picture.
# 4. Good features matter: a lesion is darker than *its* skin.
# 5. Pixel accuracy is high when nothing is found. Look at Dice, and at every picture.
#
# **Read on.** Otsu 1979, *A threshold selection method from gray-level histograms*, section II. Adams and Bischof 1994,
# *Seeded region growing*. Lloyd 1982, *Least squares quantization in PCM* (k-means). Breiman 2001, *Random forests*,
# section 2 shows why more trees do no harm. Rother, Kolmogorov and Blake 2004, *GrabCut*, section 3. Shotton, Johnson
# and Cipolla 2008, *Semantic texton forests*: how far pixel forests went before networks. Lesson 2 makes a network out
# of pixel classification.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("01_pixel_classification.ipynb")
