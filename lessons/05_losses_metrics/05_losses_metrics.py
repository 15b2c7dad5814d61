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
# # Lesson 5 · Losses and metrics: what is a good mask?
#
# Two numbers steer every segmentation project. The *metric* is what you compare and publish. The *loss* is what
# training lowers. Each name stands for several formulas, and they give different numbers. In this lesson you write
# eight losses and metrics, and you learn what each one misses.
#
# The lesson has two sittings. **Sitting 1, scores** (sections 1 to 7) and **sitting 2, losses** (sections 8 to 15) take
# about 60 minutes each. From lesson 3 you need only one thing: images go into a network, logits come out. (A *logit* is
# the number before softmax or sigmoid turns it into a probability.) The cells run for two to four minutes in all. All
# pictures are drawn by code, `load_dataset("lesions")`, so the lesson works offline.

# %% [markdown]
# ## What you will be able to do
#
# Sitting 1, scores:
#
# - count how often each class was predicted as each other class: `confusion_matrix`
# - compute intersection over union from these counts: `iou_per_class`
# - say over what a "mean IoU" is averaged, and compute the usual one: `mean_iou`
# - score masks image by image, and handle two empty masks: `dice_score`
# - compute the score of the ISIC challenge: `threshold_jaccard`
#
# Sitting 2, losses:
#
# - write a Dice loss that sees a rare class: `soft_dice_loss`
# - write a cross-entropy that handles unlabelled pixels: `cross_entropy`
# - make easy pixels count less in a loss: `focal_loss`

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

import segcourse
from segcourse import Scores, check, exercises, losses, metrics, show_results
from segcourse.course import ladder
from segcourse.course.trials import compare
from segcourse.data.lesions import APPEARANCE
from segcourse.plotting import outline, show_bars, show_curves, show_image, show_matrix
from segcourse.widgets import metric_explorer, predict, threshold_explorer

# %%
kinds = [*APPEARANCE, "tiny lesions"]  # one lesion in twelve covers less than 2 % of its picture
lesions = segcourse.load_dataset("lesions", "test", size=128, count=100, difficulties=kinds)
samples = list(lesions)  # each has .image (3 x H x W), .mask (H x W, 0 skin, 1 lesion) and .name

# %% [markdown]
# # Sitting 1 · Scores
#
# ## 1. Where this lesson leads
#
# ![Three small held-out lesions in rows: the true outline, then the outlines that one network draws after training with
# three different losses. In each row the three outlines differ, and another loss has the best Dice.](result.png)
#
# One small network, trained with three losses, draws three different outlines of the same lesion. Which loss is best?
# To answer, you need a score that you trust. So scores come first.

# %% [markdown]
# ## 2. The obvious score
#
# The lesion below covers about 1 % of its picture. Network A answers "skin" everywhere. Network B finds the lesion, but
# draws the outline three pixels too far out. The obvious score is *pixel accuracy*: the fraction of pixels with the
# right class.

# %%
small = min(samples, key=lambda sample: abs(sample.mask.float().mean() - 0.01))
nothing = torch.zeros_like(small.mask)
wide = F.max_pool2d(small.mask[None].float(), kernel_size=7, stride=1, padding=3)[0].long()

choices = ["A, finds nothing", "B, finds the lesion"]
with predict("Which network has the higher pixel accuracy?", choices) as reveal:
    images, truths, answers = [small.image] * 2, [small.mask] * 2, [nothing, wide]
    show_results(images, truths, answers, palette=lesions.palette, titles=["A", "B"], zoom=True)
    accuracy = [(answer == small.mask).float().mean().item() for answer in answers]
    print(f"pixel accuracy: A {accuracy[0]:.3f}, B {accuracy[1]:.3f}")
    reveal(choices[accuracy.index(max(accuracy))])

# %% [markdown]
# <details><summary>Why?</summary>
#
# A misses every pixel of the lesion, but there are few of them. B's wide outline adds more wrong pixels than that. So A
# has the higher accuracy, with 99 % and nothing found. The other two scores above the error maps, Dice and IoU, prefer
# B.
# </details>
#
# Accuracy counts two kinds of mistake in one number: *misses* (lesion called skin) and *false alarms* (skin called
# lesion). The large class hides the small one. So count before you add: how often was class $i$ (the truth, a row)
# predicted as class $j$ (a column)? That table is the *confusion matrix*.

# %%
for name, answer in {"A": nothing, "B": wide}.items():
    matrix = segcourse.confusion_matrix(answer, small.mask, num_classes=2)
    show_matrix(matrix, ["skin", "lesion"], title=f"network {name}")

# %% [markdown]
# In network A's matrix, all pixels are in the first column, because it predicts only skin. In network B's matrix, the
# second row has no mistake, and the false alarms are in the first row.

# %% [markdown]
# ### Exercise 5.1 · `confusion_matrix` · difficulty 2 of 3 · 10 minutes · 4 points
#
# Count the pairs.
#
# - `prediction` and `target`: integer tensors of the same shape, H x W or N x H x W, with class ids 0 … num_classes -
#   1. Any integer type is possible (uint8, int16, int32, int64), also different ones
# - a batch gives one matrix, of all its pixels
# - pixels whose *target* equals `ignore_index` are left out, whatever the prediction says there. `ignore_index` may be
#   any id: 255, the id of a class (0, too), or an id beyond 255 that the target's type can hold. The prediction never
#   makes a pixel ignored
# - returns a tensor of counts, num_classes x num_classes: row the true class, column the predicted class. Classes that
#   do not occur have a row and a column of zeros
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. You may use other functions for single steps. An answer never changes its inputs.
#
# <details><summary>Hint 1: how do I count pairs without a loop?</summary>
# Give each pair its own number, 0 … num_classes² - 1, as if you numbered the cells of the table row by row. Then count
# how often each number occurs. <code>torch.bincount</code> counts.
# </details>
# <details><summary>Hint 2: right for small masks, wrong for others</summary>
# Absent classes: does your count always have num_classes² entries (<code>minlength</code>)? Many classes stored as
# uint8: how large can the number of a pair become, and what is 255 + 1 in uint8?
# </details>


# %% nbgrader={"grade": false, "grade_id": "confusion_matrix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def confusion_matrix(prediction, target, num_classes, ignore_index=255):
    """Count how often each true class (row) was predicted as each class (column)."""
    raise NotImplementedError("Exercise 5.1")


# %% tags=["raises-exception"]
truth = torch.tensor([[0, 0], [1, 255]])  # try your function on masks that fit on paper; 255 is ignored
guess = torch.tensor([[0, 1], [1, 1]])
print(confusion_matrix(guess, truth, num_classes=2))

# %% nbgrader={"grade": true, "grade_id": "check_confusion_matrix", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("confusion_matrix", confusion_matrix)

# %% [markdown]
# ## 3. What the union sees
#
# Let $A$ be the true lesion and $B$ the predicted one. Three scores share a numerator, the pixels in both:
#
# | score | formula | in words |
# | --- | --- | --- |
# | recall | $\lvert A \cap B\rvert \,/\, \lvert A\rvert$ | the part of the lesion that was found |
# | precision | $\lvert A \cap B\rvert \,/\, \lvert B\rvert$ | the part of the prediction that is lesion |
# | intersection over union (IoU, Jaccard index) | $\lvert A \cap B\rvert \,/\, \lvert A \cup B\rvert$ | the shared part of everything marked |
#
# Here are two useless predictions. One calls the whole picture lesion. The other calls a single pixel lesion, one
# inside the lesion.

# %%
one_pixel = torch.zeros_like(small.mask)
row, column = small.mask.nonzero()[0]  # any pixel of the lesion
one_pixel[row, column] = 1
useless = {"the whole picture": torch.ones_like(small.mask), "a single pixel": one_pixel}

choices = ["none", "one", "two", "all three"]
question = "How many of the three scores are 1.00 for at least one of these two predictions?"
with predict(question, choices) as reveal:
    perfect = set()
    for name, answer in ({"network B": wide} | useless).items():
        both, either = (answer & small.mask).sum(), (answer | small.mask).sum()
        recall, precision = both / small.mask.sum(), both / answer.sum()
        scores = {"recall": recall, "precision": precision, "IoU": both / either}
        print(f"{name:18}", "   ".join(f"{score} {value:.2f}" for score, value in scores.items()))
        perfect |= {score for score, value in scores.items() if name in useless and value == 1}
    reveal(choices[len(perfect)])

# %% [markdown]
# <details><summary>Why?</summary>
#
# Recall rewards the prediction that is everywhere, and precision rewards the lucky pixel. Each of them ignores one kind
# of mistake. IoU gives both predictions about 0.01, because the union contains the misses *and* the false alarms.
# </details>
#
# A class's row in the confusion matrix holds its true pixels. Its column holds its predicted pixels. The diagonal holds
# the pixels in both. Network A predicted no lesion at all, so its precision is 0/0: a question without an answer. IoU
# has the same problem for a class that is *neither* in the truth *nor* in the prediction. In the next exercise such a
# class gets NaN. A class that was predicted but is not there gets 0.

# %% [markdown]
# ### Exercise 5.2 · `iou_per_class` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Read the IoU of every class off a confusion matrix.
#
# - `matrix`: int64 tensor C x C as in exercise 5.1, rows the truth, columns the prediction; the counts may be very
#   large
# - returns a float tensor of C numbers, 0 … 1: the intersection over union of each class
# - a class with no pixel in truth and prediction is 0/0: NaN (not 0, not 1). A class that is only in the prediction, or
#   only in the truth, gets 0
#
# <details><summary>Hint 1: the size of a union</summary>
# Row plus column counts some pixels twice. Which ones?
# </details>
# <details><summary>Hint 2: where does NaN come from?</summary>
# You don't have to make it: a float tensor divided by a float tensor gives NaN at 0/0.
# </details>


# %% nbgrader={"grade": false, "grade_id": "iou_per_class", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iou_per_class(matrix):
    """Return the IoU of each class, float C; NaN for a class in neither truth nor prediction."""
    raise NotImplementedError("Exercise 5.2")


# %% tags=["raises-exception"]
matrix = torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])  # class 2 does not occur
print(iou_per_class(matrix))

# %% nbgrader={"grade": true, "grade_id": "check_iou_per_class", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("iou_per_class", iou_per_class)

# %% [markdown]
# ## 4. The mean of what?
#
# Papers report one number, the mean IoU. Here are two images of 2 x 2 pixels and three classes. One of the eight pixels
# is wrong, and class 2 does not occur.
#
# | image | truth | prediction |
# | --- | --- | --- |
# | 1 | `0 1` / `1 0` | `0 1` / `1 0` |
# | 2 | `0 1` / `1 1` | `1 1` / `1 1` |
#
# Libraries decide differently what to do with an absent class, whether to add all classes into one sum, and whether to
# score all pixels together or image by image.

# %%
truth = torch.tensor([[[0, 1], [1, 0]], [[0, 1], [1, 1]]])
prediction = torch.tensor([[[0, 1], [1, 0]], [[1, 1], [1, 1]]])
pairs = [(prediction, truth), (prediction[0], truth[0]), (prediction[1], truth[1])]
whole, *each = [segcourse.confusion_matrix(*pair, num_classes=3) for pair in pairs]


def one_sum(matrix):
    """IoU after adding the intersections, and the unions, of all classes (also called micro-IoU)."""
    intersections = matrix.diagonal().sum()
    return intersections / (2 * matrix.sum() - intersections)  # rows and columns hold each pixel once


# %%
rules = {
    "absent class left out": segcourse.mean_iou,
    "absent class counts 0": lambda matrix: segcourse.iou_per_class(matrix).nan_to_num(0).mean(),
    "absent class counts 1": lambda matrix: segcourse.iou_per_class(matrix).nan_to_num(1).mean(),
    "all classes in one sum": one_sum,
}
question = "How many different mean IoUs do these rules give?"
with predict(question, ["one", "two", "four", "eight"]) as reveal:
    values = {f"all pixels, {name}": rule(whole).item() for name, rule in rules.items()}
    for name, rule in rules.items():
        values[f"image by image, {name}"] = torch.stack([rule(matrix) for matrix in each]).mean().item()
    ordered = {name: values[name] for name in sorted(values, key=values.get)}
    show_bars(ordered, xlabel='"mean IoU" of the same two images')
    count = len({round(value, 3) for value in values.values()})
    reveal({1: "one", 2: "two", 4: "four", 8: "eight"}[count])

# %% [markdown]
# <details><summary>Whose numbers are these?</summary>
#
# All eight differ, from **0.458 to 0.833**, and every one of them is in use:
#
# | value | rule | who computes it |
# | --- | --- | --- |
# | 0.458 | image by image, absent class counts 0 | segmentation_models.pytorch, `reduction="macro-imagewise"` with `zero_division=0` |
# | 0.500 | all pixels, absent class counts 0 | scikit-learn `jaccard_score(average="macro")`, given all labels |
# | 0.688 | image by image, absent class left out | torchmetrics `segmentation.MeanIoU`, MONAI `MeanIoU` (but see below) |
# | 0.750 | all pixels, absent class left out | torchmetrics `JaccardIndex`; scikit-learn, when it finds the labels itself |
# | 0.778 | all pixels, all classes in one sum | segmentation_models.pytorch, `reduction="micro"`; torchmetrics, `average="micro"` |
# | 0.792 | image by image, absent class counts 1 | segmentation_models.pytorch, `reduction="macro-imagewise"`, its default `zero_division=1` |
# | 0.800 | image by image, all classes in one sum | segmentation_models.pytorch, `reduction="micro-imagewise"` |
# | 0.833 | all pixels, absent class counts 1 | segmentation_models.pytorch, `reduction="macro"`, its default `zero_division=1` |
#
# Two libraries that share a line here may differ on other images. Some leave a class out whenever the *truth* lacks it,
# and then a false alarm costs that class nothing.
# </details>
#
# So two papers can report different mean IoUs for the same masks. Check the averaging rule before you compare networks. This
# course follows Long et al. 2015: one matrix with all pixels of the data set, the IoU of each class, then the mean. Absent
# classes, on which the paper has no rule, are left out.
#
# "All classes in one sum" deserves a closer look. Seven of eight pixels are right, so the accuracy is 7/8. And (7/8) /
# (2 - 7/8) = 7/9 is the value of that rule. Is this a coincidence?

# %%
random_matrices = torch.randint(0, 50, (1000, 4, 4), generator=torch.Generator().manual_seed(0))
accuracies = torch.stack([metrics.pixel_accuracy(matrix) for matrix in random_matrices])
micro = torch.stack([one_sum(matrix) for matrix in random_matrices])
difference = (micro - accuracies / (2 - accuracies)).abs().max()
print(f"largest difference in 1,000 random matrices: {difference:.0e}")

# %% [markdown]
# It isn't. With all classes in one sum, the intersections add up to the right pixels $R$, and the unions to $2N - R$.
# So micro-IoU is $R / (2N - R)$: pixel accuracy on another scale. It sees as little of a rare class as accuracy did in
# section 2.

# %% [markdown]
# ### Exercise 5.3 · `mean_iou` · difficulty 1 of 3 · 5 minutes · 2 points
#
# The mean that the course reports.
#
# - `matrix`: int64 tensor C x C as before
# - returns a scalar tensor: the mean IoU over the classes that occur in the truth *or* in the prediction
# - class 0, the background, is a class like any other; every class that occurs counts equally
#
# You may call your `iou_per_class`, or `segcourse.iou_per_class`.
#
# <details><summary>Hint 1: my mean is NaN</summary>
# One absent class is enough for that. PyTorch has a mean that skips NaN.
# </details>


# %% nbgrader={"grade": false, "grade_id": "mean_iou", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mean_iou(matrix):
    """Return the mean IoU over the classes in truth or prediction, a scalar tensor."""
    raise NotImplementedError("Exercise 5.3")


# %% tags=["raises-exception"]
print(mean_iou(torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])))

# %% nbgrader={"grade": true, "grade_id": "check_mean_iou", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("mean_iou", mean_iou)

# %% [markdown]
# ## 5. Per image, or per data set
#
# The *Dice score* (also called F1) is common for lesions. It is twice the shared area, divided by the sum of both
# areas:
#
# $$\text{Dice} = \frac{2\,\lvert A \cap B\rvert}{\lvert A\rvert + \lvert B\rvert} = \frac{2\,\text{IoU}}{1 + \text{IoU}}.$$
#
# Dice ranks two masks of one image as IoU does, and between 0 and 1 it is the larger number: IoU 1/2 is Dice 2/3. Again
# the averaging makes the difference. Here are five patients, one with a large lesion and four with small ones. The
# network outlines the large lesion almost perfectly and misses the other four.

# %%
by_size = sorted(samples, key=lambda sample: sample.mask.sum())
patients = [*by_size[:4], by_size[-1]]
masks = torch.stack([sample.mask for sample in patients])
found = torch.zeros_like(masks)
found[-1] = F.max_pool2d(masks[-1:].float(), kernel_size=3, stride=1, padding=1)[0].long()
pictures = [outline(sample.image, sample.mask, lesions.palette) for sample in patients]
titles = ["missed"] * 4 + ["found"]
show_image(
    pictures, titles, alt="Five patients with their lesions: four small ones missed, a large one found."
)

# %%
bands = {"below 0.4": 0.0, "0.4 to 0.8": 0.4, "above 0.8": 0.8}
question = "All pixels of the five pictures go into one matrix. What is the lesion's Dice?"
with predict(question, bands) as reveal:
    scores = Scores(num_classes=2)
    scores.update(found, masks)
    averages = scores.compute()
    per_set, per_image = averages["dice_per_dataset"], averages["dice_per_image"]
    bars = {"per data set": per_set, "per image": per_image}
    show_bars(bars, xlabel="Dice of one network on five patients")
    reveal(per_set)

# %% [markdown]
# <details><summary>Why?</summary>
#
# The Dice per data set is almost 1, and the Dice per image is about 0.2. Both are called "the Dice". Per data set,
# every *pixel* counts equally, so the large lesion decides. Per image, every *patient* counts equally, and four of five
# patients went home without a diagnosis. Both numbers are right. What is wrong is a table that doesn't say which one it
# shows.
# </details>
#
# Image by image, the question from section 3 returns. Five healthy pictures join the five patients. The network rightly
# finds nothing on them, so their Dice is 0/0.

# %%
question = "Libraries treat 0/0 differently. How many times the smallest mean Dice is the largest?"
with predict(question, {"the same": 1, "about 2": 1.5, "about 6": 4}) as reveal:
    healthy = torch.zeros_like(masks)
    dice = segcourse.dice_score(torch.cat([found, healthy]), torch.cat([masks, healthy]))
    before, left_out = segcourse.dice_score(found, masks).mean(), dice.nanmean()
    as_one, as_zero = dice.nan_to_num(1).mean(), dice.nan_to_num(0).mean()
    bars = {"patients only": before, "0/0 left out": left_out}
    bars |= {"0/0 counts as 1": as_one, "0/0 counts as 0": as_zero}
    show_bars(bars, xlabel="mean Dice per image")
    reveal(as_one / as_zero)

# %% [markdown]
# <details><summary>Why?</summary>
#
# A smoothing term in numerator and denominator silently makes 0/0 a 1. A small number in the denominator alone makes it
# a 0. Left out, the healthy pictures change nothing. Counting 0/0 as 1 has another danger: a *single* false pixel on a
# healthy picture turns its 1 into 0.
# </details>
#
# In this course 0/0 is NaN, and averages skip it. If a data set has healthy pictures, report a second number beside the
# Dice. The *false-alarm rate* is the fraction of healthy pictures with at least one predicted lesion pixel.

# %%
noisy = healthy.clone()
noisy[0, 60:63, 60:63] = 1  # nine false pixels on one of five healthy pictures
false_alarms = noisy.flatten(1).any(dim=1).float().mean()
print(f"false-alarm rate on healthy pictures: {false_alarms:.0%}")

# %% [markdown]
# ### Exercise 5.4 · `dice_score` · difficulty 2 of 3 · 10 minutes · 3 points
#
# One Dice score per image.
#
# - `prediction` and `target`: tensors of the same shape, H x W or N x H x W, that hold 0 and 1 as int64 or uint8, or
#   bool; both have the same type, and no pixels are ignored
# - only the foreground (1) is scored
# - returns a float tensor: N scores for a batch (one score for a batch of one), and a scalar tensor for a single H x W
#   mask
# - both masks empty: NaN. Only one of them empty: 0
#
# <details><summary>Hint 1: where do I start?</summary>
# Three areas for each image: the prediction's, the target's and the shared one. Sum over the last two axes,
# <code>dim=(-2, -1)</code>. A batch axis, if there is one, stays.
# </details>
# <details><summary>Hint 2: right for int64, wrong for bool or uint8</summary>
# <code>True + True</code> is <code>True</code>, and 0 - 1 is 255 in uint8. Sum each mask first. Or convert both masks:
# <code>.bool()</code> to combine masks, <code>.double()</code> to calculate with areas.
# </details>


# %% nbgrader={"grade": false, "grade_id": "dice_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dice_score(prediction, target):
    """Return the foreground's Dice score of each image: masks (…, H, W) to scores (…)."""
    raise NotImplementedError("Exercise 5.4")


# %% tags=["raises-exception"]
guess, truth = torch.tensor([[1, 1], [0, 0]]), torch.tensor([[1, 0], [0, 0]])
print(dice_score(guess, truth), dice_score(guess[None], truth[None]).shape)

# %% nbgrader={"grade": true, "grade_id": "check_dice_score", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("dice_score", dice_score)

# %% [markdown]
# ## 6. The score of a challenge
#
# The ISIC 2018 challenge (Task 1, lesion boundaries) wanted failures to count as zero. Its score is the *threshold
# Jaccard*. Take the Jaccard index of each image, and set it to 0 if it is below 0.65. Then average over the images.
#
# Two networks, ten lesions. The steady one reaches 0.64 on each of them. The moody one reaches 0.66 on seven and misses
# three completely.

# %%
lesion = torch.ones(10, 5, 20, dtype=torch.long)  # ten lesions of 100 pixels


def covering(counts):
    """Predictions that cover the first pixels of each lesion, as many as `counts` says."""
    return torch.stack([(torch.arange(100) < count).long().reshape(5, 20) for count in counts])


question = "What is the threshold Jaccard of the steady network?"
with predict(question, ["0.00", "0.42", "0.64"]) as reveal:
    networks = {"steady": covering([64] * 10), "moody": covering([66] * 7 + [0] * 3)}
    plain = {name: segcourse.iou_score(guess, lesion).mean() for name, guess in networks.items()}
    cliff = {name: segcourse.threshold_jaccard(guess, lesion) for name, guess in networks.items()}
    for name in networks:
        print(f"{name:7} mean Jaccard {plain[name]:.2f}   threshold Jaccard {cliff[name]:.2f}")
    reveal(f"{cliff['steady']:.2f}")

# %% [markdown]
# <details><summary>Why?</summary>
#
# Each of its lesions lies just below the threshold. The score has a cliff: two hundredths decide between everything and
# nothing, and the moody network wins. Such a score is noisy when many images lie near the cliff. Report it together
# with the plain mean.
# </details>

# %% [markdown]
# ### Exercise 5.5 · `threshold_jaccard` · difficulty 2 of 3 · 10 minutes · 3 points
#
# The score of the ISIC challenge.
#
# - `prediction` and `target`: int64 tensors, N x H x W, holding 0 and 1; no ignored pixels
# - `threshold`: a number in 0 … 1; 0.65 by default
# - the Jaccard index of the foreground (1) of each image; *below* the threshold it becomes 0, at the threshold or above
#   it stays what it is
# - both masks of an image empty: it has no index and is left out of the mean. Only one of them empty: its index is 0
# - returns a scalar tensor, the mean over the images
#
# You may call `segcourse.iou_score`, which returns the Jaccard index of each image.
#
# <details><summary>Hint 1: where do I start?</summary>
# With N Jaccard indices, computed like the Dice scores of exercise 5.4. The threshold applies to each of them; the mean
# comes last.
# </details>
# <details><summary>Hint 2: what happens to NaN at the threshold?</summary>
# Comparisons with NaN are always false: NaN &lt; 0.65 is false, and so is NaN &gt;= 0.65. Choose the comparison that
# leaves NaN alone, and a mean that skips it.
# </details>


# %% nbgrader={"grade": false, "grade_id": "threshold_jaccard", "locked": false, "schema_version": 3, "solution": true, "task": false}
def threshold_jaccard(prediction, target, threshold=0.65):
    """Return the mean Jaccard index, 0 for images below the threshold, empty images left out."""
    raise NotImplementedError("Exercise 5.5")


# %% tags=["raises-exception"]
guess, truth = torch.tensor([[[1, 1, 0, 0]], [[1, 1, 1, 0]]]), torch.ones(2, 1, 4, dtype=torch.long)
print(threshold_jaccard(guess, truth))  # Jaccard indices 2/4 and 3/4

# %% nbgrader={"grade": true, "grade_id": "check_threshold_jaccard", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("threshold_jaccard", threshold_jaccard)

# %% [markdown]
# ## 7. The boundary, and which score when
#
# Here are seven scores of one prediction. It has the shape of the true mask and starts four pixels too far to the right.
# Drag it, or use the sliders. Try to find
#
# - a precision of 1.00 with a recall below 0.5, and the reverse
# - a Dice of 0.00 with the highest pixel accuracy that you can get
# - the position where a single pixel costs most

# %%
explorer = metric_explorer(samples[5].mask, right=4)

# %% [markdown]
# <details><summary>What can you find?</summary>
#
# A prediction that shrinks on its place keeps a precision of 1 until nothing is left (0/0): everything in it is lesion. One that
# grows keeps a recall of 1. Far away from the lesion, or wholly outside the picture, Dice and IoU are 0, and pixel accuracy
# hardly notices: most of the picture is skin. Six of the scores change smoothly. Threshold Jaccard falls to 0 at once where the
# IoU falls below 0.65.
# </details>
#
# None of the seven looks at the outline. Two predictions of one lesion miss nothing and add equally many false pixels, so their
# Dice is the same. The first is one pixel too wide all around. The second outlines the lesion perfectly, and also marks a spot in
# a corner of the picture.

# %%
sample = samples[5]
rim = F.max_pool2d(sample.mask[None].float(), kernel_size=3, stride=1, padding=1)[0].long()
spot = sample.mask.clone()
rows = int(rim.sum() - sample.mask.sum()) // 16
spot[:rows, :16] = 1  # in the corner, as many pixels as the rim adds
titles = ["one pixel too wide", "a spot in the corner"]
images, truths = [sample.image] * 2, [sample.mask] * 2
show_results(images, truths, [rim, spot], palette=lesions.palette, titles=titles)

# %% [markdown]
# Two scores look at the outlines. For each pixel of one outline, take the distance to the nearest pixel of the other
# outline, in both directions. The *95 % Hausdorff distance* (HD95) is the distance that 95 % of the outline stay below:
# smaller is better. The *surface Dice* is the fraction of both outlines that lies within a tolerance of the other
# outline: 1 is best.

# %%
question = "Which prediction has the larger HD95?"
with predict(question, [*titles, "both the same"]) as reveal:
    both = torch.stack([rim, spot])
    truth = sample.mask.expand_as(both)
    distance = segcourse.hausdorff_distance_95(both, truth)
    surface = segcourse.surface_dice(both, truth, tolerance=2)
    for i, title in enumerate(titles):
        print(f"{title:20} HD95 {distance[i]:5.2f} pixels   surface Dice at 2 pixels {surface[i]:.2f}")
    reveal(titles[int(distance.argmax())])

# %% [markdown]
# <details><summary>Why?</summary>
#
# An outline that is one pixel off everywhere is nearly perfect for both scores. A far spot is a large error for HD95,
# but only if it makes up more than 5 % of the outline: HD95 doesn't see a smaller spot at all.
# </details>
#
# No score sees everything. *Metrics Reloaded* (Maier-Hein, Reinke et al. 2024) is a guide that dozens of experts agreed
# on. It starts with the question that your project asks. Our summary:
#
# | you ask | report | it cannot see |
# | --- | --- | --- |
# | do the masks overlap, patient by patient? | Dice or IoU per image, mean and quartiles | the outlines of large lesions (for a small lesion, one pixel changes the score a lot) |
# | are the pixels right, class by class? | mean IoU over the data set (state the rule) | small objects of a large class |
# | is each outline usable? | threshold Jaccard, beside the plain mean | differences below the threshold |
# | is the outline in the right place? | surface Dice, with a tolerance that your experts accept; HD95 | how much area is wrong |
# | does it stay silent on healthy pictures? | false-alarm rate | how good the masks are |
# | is anything overlooked? | recall per object, and the number of pictures with nothing found | false alarms |
#
# Never report pixel accuracy alone: it doesn't see rare classes.
#
# **This is the end of sitting 1.** In four lines:
#
# 1. Count first: the confusion matrix keeps classes and kinds of mistakes apart.
# 2. "Mean IoU" and "Dice" are families of numbers. Say what you average over, and what 0/0 becomes.
# 3. With all classes in one sum, IoU is pixel accuracy on another scale.
# 4. No single score is enough: add a spread, a false-alarm rate, and a boundary score if boundaries matter.

# %% [markdown]
# # Sitting 2 · Losses
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 8. Summed over what?
#
# If you want a high Dice, why not train for it? Counts have no gradient, but probabilities do. Let $p_{ic}$ be the
# probability that pixel $i$ has class $c$, and let $t_{ic}$ be 1 for its true class and 0 for the others. The soft Dice
# loss is
#
# $$1 - \frac{2\sum p\,t}{\sum p + \sum t}.$$
#
# The formula hides a decision: what does $\sum$ run over? Summing over all pixels *and* all classes needs the least
# code. Kornia's `dice_loss` does so by default.


# %%
def one_sum_loss(p, t):
    """The soft Dice loss with one sum over all axes."""
    return 1 - 2 * (p * t).sum() / (p.sum() + t.sum())


question = "A lesion of 1 % is missed completely. What is this loss?"
with predict(question, ["0.01", "0.50", "0.99"]) as reveal:
    curves, shares = {"one sum": [], "mean over the classes": []}, [50, 20, 10, 5, 2, 1]
    for percent in shares:
        target = (torch.arange(10_000) < 100 * percent).long().reshape(1, 100, 100)
        p = torch.tensor([1 - 1e-6, 1e-6]).reshape(1, 2, 1, 1).expand(1, 2, 100, 100)  # "skin" everywhere
        t = torch.stack([target == 0, target == 1], dim=1).float()
        curves["one sum"].append(one_sum_loss(p, t))
        curves["mean over the classes"].append(losses.soft_dice_loss(p.log(), target))
    label = {"xlabel": "lesion, % of the picture", "ylabel": "loss when it is missed"}
    show_curves(curves, shares, ylim=(0, 1), **label)
    reveal(f"{curves['one sum'][-1]:.2f}")

# %% [markdown]
# <details><summary>Why?</summary>
#
# Each pixel adds exactly 1 to $\sum p$, because its probabilities add up to 1, and exactly 1 to $\sum t$. With $N$
# pixels the denominator is always $2N$, and the loss becomes
#
# $$1 - \frac{2\sum_{i,c} p_{ic}\,t_{ic}}{2N} = 1 - \frac1N \sum_i p_{i,\text{true}(i)},$$
#
# one minus the mean probability of the true class. That is one minus a soft pixel accuracy, and you know from section 2
# what accuracy cannot see.
# </details>
#
# What does this do to training? Compare the gradients at a missed lesion pixel.

# %%
target = torch.zeros(1, 100, 100, dtype=torch.long)
target[0, :10, :10] = 1  # the lesion, 1 % of the picture
sure_of_skin = torch.tensor([0.95, 0.05]).log().reshape(1, 2, 1, 1).repeat(1, 1, 100, 100)
t = torch.stack([target == 0, target == 1], dim=1).float()
kinds_of_loss = {
    "one sum": lambda logits: one_sum_loss(logits.softmax(dim=1), t),
    "mean over the classes": lambda logits: losses.soft_dice_loss(logits, target),
}
gradients = {}
for name, loss_of in kinds_of_loss.items():
    logits = sure_of_skin.clone().requires_grad_()
    loss_of(logits).backward()
    gradients[name] = logits.grad[0, 1, 0, 0].abs()  # at a lesion pixel
ratio = gradients["mean over the classes"] / gradients["one sum"]
print(f"with the mean over the classes, the gradient at a missed lesion pixel is {ratio:.0f} times as large")

# %% [markdown]
# Class by class, the lesion has its own denominator. The denominator is small as long as few pixels are lesion or called lesion,
# so the lesion's pixels count. When somebody says "we trained with Dice", ask: *summed over what?*
#
# One decision is left: which classes enter the mean? A class that the batch doesn't contain has no overlap to gain. Its
# term would be 1 whatever the network does, so it is left out. The background stays in. In a batch without any lesion,
# the background is the only class left, and its Dice punishes false alarms.

# %% [markdown]
# ### Exercise 5.6 · `soft_dice_loss` · difficulty 3 of 3 · 15 minutes · 4 points
#
# Write the Dice loss that sees a rare class.
#
# - `logits`: float tensor, N x C x H x W, C at least 2: any real numbers, no softmax has been applied. Usually float32,
#   sometimes bfloat16, which is too coarse to compute in: convert to float32 first
# - `target`: int64 tensor, N x H x W, ids 0 … C-1; no ignored pixels
# - for each class, the sums of $p\,t$, of $p$ and of $t$ run over all pixels of the whole batch. They are plain sums:
#   nothing squared, no smoothing term
# - returns a scalar tensor: 1 minus the mean soft Dice of the classes that occur in `target`; class 0 is a class like
#   any other
# - the check also compares the gradient with respect to the logits, which training needs
#
# <details><summary>Hint 1: where do I start?</summary>
# You need probabilities N x C x H x W and a truth of the same shape. <code>softmax</code> makes one. For the other, use
# <code>F.one_hot</code> and <code>movedim</code>, or compare <code>target.unsqueeze(1)</code> with class numbers of shape
# 1 x C x 1 x 1.
# </details>
# <details><summary>Hint 2: the first group passes, the others do not</summary>
# Look at which axes you sum over. Only the class axis survives. Then you have C numbers to average, and not all of them
# belong in the mean.
# </details>


# %% nbgrader={"grade": false, "grade_id": "soft_dice_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def soft_dice_loss(logits, target):
    """Return one minus the mean soft Dice of the classes in target, each summed over the batch."""
    raise NotImplementedError("Exercise 5.6")


# %% tags=["raises-exception"]
logits, target = torch.zeros(1, 2, 2, 2), torch.tensor([[[0, 0], [0, 1]]])  # every probability is 1/2
print(logits.softmax(dim=1).shape, target.shape)
print(soft_dice_loss(logits, target))

# %% nbgrader={"grade": true, "grade_id": "check_soft_dice_loss", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("soft_dice_loss", soft_dice_loss)

# %% [markdown]
# ## 9. Pixels that nobody labelled
#
# Many data sets mark pixels that nobody could label: a blurred rim, the padding around a rotated picture. Their id is
# 255, and a loss must act as if they were not there. PyTorch's cross-entropy has `ignore_index` for this. What happens
# when a random crop contains only such pixels?

# %%
choices = ["0", "0.69", "nan", "an error"]
question = "All pixels are ignored. What does F.cross_entropy(..., ignore_index=255) return?"
with predict(question, choices) as reveal:
    logits, unlabelled = torch.randn(1, 2, 16, 16), torch.full((1, 16, 16), 255)
    value = F.cross_entropy(logits, unlabelled, ignore_index=255).item()
    print("loss of the batch:", value)
    print("mean loss of an epoch of three batches:", torch.tensor([0.7, value, 0.5]).mean().item())
    reveal(f"{value:g}")

# %% [markdown]
# <details><summary>Why?</summary>
#
# It is a mean over zero pixels, 0/0. The NaN spreads into every number that the loss is added to, such as the mean of
# the epoch. A mean that you write by hand can be worse: its *gradient* can be NaN as well. Then every weight of the
# network is NaN one step later.
# </details>
#
# For a *score*, NaN was the honest answer. For a loss it isn't: a batch that says nothing should change nothing. So its
# loss is 0, with a gradient of zeros.
#
# There is a second trap in the denominator. Suppose memory is short, and you split a batch of two pictures into two
# micro-batches and average their losses. All pixels of the first picture are labelled, but only two rows of the second.

# %%
generator = torch.Generator().manual_seed(0)
target = torch.randint(0, 2, (2, 32, 32), generator=generator)
logits = torch.randn(2, 2, 32, 32, generator=generator)
logits[0] += 3 * torch.stack([target[0] == 0, target[0] == 1]).float()  # the network knows picture 1
target[1, 2:] = 255
first, second, whole = (losses.cross_entropy(logits[part], target[part]) for part in ([0], [1], [0, 1]))
print(f"micro-batches {first:.2f} and {second:.2f}, their mean {(first + second) / 2:.2f}")
print(f"both pictures in one batch: {whole:.2f}")

# %% [markdown]
# The mean of the micro-batches gives 64 labelled pixels as much weight as 1024. Training would follow another gradient,
# and no error would tell you. Divide *once*, by the number of labelled pixels. (`segcourse.fit` does so when it
# accumulates gradients over micro-batches. The exercise asks for it within a batch.)

# %% [markdown]
# ### Exercise 5.7 · `cross_entropy` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Minus the natural logarithm of the true class's probability, averaged over the labelled pixels.
#
# - `logits`: float tensor, N x C x H x W, no softmax applied; float32, sometimes bfloat16 (convert to float32 first).
#   They may be large: a difference of 200 between two classes must cost 200, not infinity
# - `target`: int64 tensor, N x H x W, ids 0 … C-1 and `ignore_index`
# - `ignore_index`: any id; 255 by default, but it may also be the id of a class (0, too), or beyond 255
# - returns a scalar tensor: the sum over the labelled pixels of the whole batch, divided once by their number; 0, with
#   a gradient of zeros, if there are none
# - the check also compares the gradient with respect to the logits
#
# You may use `F.cross_entropy` or `F.log_softmax`, not `segcourse.cross_entropy`.
#
# <details><summary>Hint 1: where do I start?</summary>
# Look at <code>reduction</code> in the documentation of <code>F.cross_entropy</code>: you can have the sum and choose
# the denominator yourself.
# </details>
# <details><summary>Hint 2: how do I avoid 0/0 without an if?</summary>
# A count of labelled pixels is never between 0 and 1. <code>clamp(min=1)</code> changes it only where it is 0, and
# there the numerator is already 0.
# </details>


# %% nbgrader={"grade": false, "grade_id": "cross_entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cross_entropy(logits, target, ignore_index=255):
    """Return the mean of -log p(true class) over the labelled pixels; 0 if there are none."""
    raise NotImplementedError("Exercise 5.7")


# %% tags=["raises-exception"]
logits = torch.zeros(1, 2, 1, 2)  # every probability is 1/2
print(cross_entropy(logits, torch.tensor([[[1, 255]]])))
print(cross_entropy(logits, torch.tensor([[[255, 255]]])))

# %% nbgrader={"grade": true, "grade_id": "check_cross_entropy", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("cross_entropy", cross_entropy)

# %% [markdown]
# ## 10. Easy pixels
#
# A network recognises skin well: on 99 % of the pixels, the true class gets probability 0.95. It doesn't recognise the
# lesion: on the other 1 %, the true class gets 0.2. Cross-entropy charges $-\log 0.95$ for an easy pixel and $-\log
# 0.2$, thirty times as much, for a hard one.


# %%
def pixels(p_true, count):
    """Logits and target of `count` pixels whose true class, 0, has probability `p_true`."""
    logits = torch.tensor([p_true, 1 - p_true]).log().reshape(1, 2, 1, 1).expand(1, 2, 1, count)
    return logits, torch.zeros(1, 1, count, dtype=torch.long)


bands = {"less than a third": 0.0, "about half": 1 / 3, "more than two thirds": 2 / 3}
with predict("What fraction of the cross-entropy comes from the easy pixels?", bands) as reveal:
    part = {}
    for gamma in (0.0, 0.5, 1.0, 2.0):
        easy = 990 * losses.focal_loss(*pixels(0.95, 990), gamma)
        hard = 10 * losses.focal_loss(*pixels(0.2, 10), gamma)
        part["cross-entropy" if gamma == 0 else f"focal loss, gamma {gamma:g}"] = easy / (easy + hard)
    show_bars(part, xlabel="fraction of the loss that comes from easy pixels")
    reveal(part["cross-entropy"])

# %% [markdown]
# <details><summary>Why?</summary>
#
# Each easy pixel costs little, but there are 99 easy pixels for each hard one. Together they make up three quarters of
# the cross-entropy.
# </details>
#
# The *focal loss* (Lin et al. 2017) multiplies each pixel's cross-entropy by $(1 - p)^\gamma$, where $p$ is the
# probability of its true class:
#
# $$\text{focal} = \frac1N \sum_i (1 - p_i)^\gamma \, (-\log p_i).$$
#
# With $\gamma = 2$, an easy pixel keeps 0.0025 of its cost and a hard one 0.64. With $\gamma = 0$ the focal loss is
# cross-entropy. A side effect, for two classes: the probability that minimises the focal loss lies closer to 1/2 than
# the true frequency. For large networks, which tend to be too sure of themselves, this often makes the probabilities
# *more* reliable (Mukhoti et al. 2020).

# %% [markdown]
# ### Exercise 5.8 · `focal_loss` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Make easy pixels count less. (The original was made for detection, with class weights. For segmentation we take the
# mean over the pixels.)
#
# - `logits`: float tensor, N x C x H x W, no softmax applied; float32, sometimes bfloat16 (convert to float32 first);
#   as in 5.7 they may be large
# - `target`: int64 tensor, N x H x W, ids 0 … C-1; no ignored pixels, and no class weights (no alpha)
# - `gamma`: any number, 0 or larger, such as 0.5; 2 by default
# - returns a scalar tensor: the mean, over all pixels of the batch, of the formula above; $p$ is the softmax's
#   probability of the true class
# - the check also compares the gradient, which flows through *both* factors. For every gamma the gradient must be
#   finite, also in a pixel where $p$ is exactly 1 (hint 3)
#
# <details><summary>Hint 1: one call gives half of it</summary>
# <code>F.cross_entropy</code> with another <code>reduction</code> gives -log p for each pixel, N x H x W.
# </details>
# <details><summary>Hint 2: from -log p to p</summary>
# It takes one function, and no second softmax. Mind where the mean stands: before or after the factor?
# </details>
# <details><summary>Hint 3: my gradient is NaN or infinite</summary>
# Where p is exactly 1, the base 1 - p is 0. For gamma below 1, the power has an infinite slope at 0, and infinity times
# zero is NaN. Keep the base a tiny amount above 0: <code>clamp(min=1e-12)</code>, for example.
# </details>


# %% nbgrader={"grade": false, "grade_id": "focal_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def focal_loss(logits, target, gamma=2.0):
    """Return the mean of (1 - p)^gamma · (-log p), p the probability of the true class."""
    raise NotImplementedError("Exercise 5.8")


# %% tags=["raises-exception"]
logits, target = torch.zeros(1, 2, 1, 1), torch.ones(1, 1, 1, dtype=torch.long)  # p = 1/2
print(focal_loss(logits, target, gamma=0), focal_loss(logits, target, gamma=2))

# %% nbgrader={"grade": true, "grade_id": "check_focal_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("focal_loss", focal_loss)

# %% [markdown]
# ## 11. Class weights, two losses in one, one channel or two
#
# ### Class weights
#
# Another remedy for rare classes is a weight: each lesion pixel counts `w` times in the cross-entropy. What does that
# do to the probabilities? Imagine a kind of pixel that is lesion in 1 of 10 cases. Without weights, the best answer for
# it is 0.1.

# %%
bands = {"0.1, as before": 0.0, "0.3": 0.2, "0.5": 0.4, "0.9": 0.8}
question = "Lesion gets weight 9, skin weight 1. Which probability has the lowest loss?"
with predict(question, bands) as reveal:
    target = (torch.arange(10) == 0).long().reshape(1, 1, 10)  # lesion in one case of ten
    chances = [step / 100 for step in range(1, 100)]
    logits = [torch.tensor([1 - p, p]).log().reshape(1, 2, 1, 1).expand(1, 2, 1, 10) for p in chances]
    plain = [losses.cross_entropy(one, target) for one in logits]
    weighted = [losses.cross_entropy(one, target, weight=[1, 9]) for one in logits]
    curves = {"no weights": plain, "weights 1 and 9": weighted}
    show_curves(curves, chances, xlabel="probability of lesion", ylabel="loss")
    reveal(chances[int(torch.stack(weighted).argmin())])

# %% [markdown]
# <details><summary>Why?</summary>
#
# Nine skin pixels with weight 1 balance one lesion pixel with weight 9, at 0.5. So class weights make the network
# answer as if lesions were more frequent. They act like a lower threshold. Use class weights when misses cost more than
# false alarms, and don't read the probabilities as frequencies afterwards.
# </details>
#
# ### Two losses in one
#
# Cross-entropy gives every wrong pixel a clear gradient, but a small lesion has few pixels. Soft Dice gives every class
# the same weight, but its gradient almost vanishes where the network is sure and wrong. Their sum has both advantages, and many
# winning entries of challenges use it. `segcourse.combined_loss` is this sum, and `segcourse.fit` uses it by default.
#
# ### One channel or two
#
# For two classes, some networks end in *one* channel and a sigmoid, others in *two* channels and a softmax.

# %%
choices = ["softmax is more certain", "they don't differ", "sigmoid is more certain"]
question = "How does the second output of softmax(a, b) differ from sigmoid(b - a)?"
with predict(question, choices) as reveal:
    two = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
    softmax, sigmoid = two.softmax(dim=1)[:, 1], (two[:, 1] - two[:, 0]).sigmoid()
    print(f"largest difference of 1,000 pixels: {(softmax - sigmoid).abs().max():.5f}")
    reveal(choices[1] if torch.allclose(softmax, sigmoid, atol=1e-6) else choices[0])

# %% [markdown]
# <details><summary>Why?</summary>
#
# Softmax depends only on the difference of its inputs, so one of the two channels is redundant. Two channels need no
# special case when a third class comes. One channel per class, each with its own sigmoid, is right where classes may
# overlap.
# </details>
#
# ### A mask is a decision
#
# With one channel, a threshold turns numbers into a mask. A common slip: the network returns logits, and the code says
# `mask = logits > 0.5`.

# %%
choices = ["0.500", "0.562", "0.622", "0.731"]
with predict("Which probability does logits > 0.5 ask for?", choices) as reveal:
    asked = torch.tensor(0.5).sigmoid().item()
    print(f"sigmoid(0.5) = {asked:.3f}, sigmoid(0) = {torch.tensor(0.0).sigmoid():.3f}")
    reveal(f"{asked:.3f}")

# %% [markdown]
# <details><summary>Why?</summary>
#
# Probability 0.5 belongs to logit 0. With the slip, every pixel whose probability is between 0.5 and 0.622 becomes
# background, and no error message says so. The slip may even raise the score of a network that draws too wide.
# </details>

# %% [markdown]
# ## 12. One network, four losses
#
# Now the losses train a network: the small U-Net of the course, on 400 pictures of 64 x 64 pixels, for eight epochs
# (passes over all pictures). One test set is used in all lessons, 120 held-out lesions. Fifty more are tiny, below 2 %
# of the picture.
#
# If your loss passes its check, it is used here. Otherwise the course's version is used. The four trainings take one to
# three minutes on two cores, and a bar shows how far they are.

# %% tags=["skip-grading"]
seed = 0
pictures = ladder.pictures()
truth_of = {"ladder": torch.stack([sample.mask for sample in pictures.test])}
truth_of["tiny"] = torch.stack([sample.mask for sample in pictures.tiny])
my_entropy = exercises.yours("cross_entropy", cross_entropy)
my_soft_dice = exercises.yours("soft_dice_loss", soft_dice_loss)
variants = {
    "cross-entropy": {"loss": my_entropy},
    "soft Dice": {"loss": my_soft_dice},
    "focal": {"loss": exercises.yours("focal_loss", focal_loss)},
    "cross-entropy + Dice": {"loss": lambda *pair: my_entropy(*pair) + my_soft_dice(*pair)},
}

# %% tags=["skip-grading"]
print(ladder.PLAN)
plan = {"model": ladder.small_unet, "seeds": [seed], "watch": pictures.tiny[:3], **ladder.PLAN}
trials = compare(variants, pictures.train, pictures.val, **plan)
curves = {name: curve for (name, _), curve in trials.curves.items()}
show_curves(curves, xlabel="epoch", ylabel="validation Dice, per image")

# %% tags=["skip-grading"]
my_dice = exercises.yours("dice_score", dice_score)
dice_of = {}
for group, samples_of_group in {"ladder": pictures.test, "tiny": pictures.tiny}.items():
    print(f"{group} lesions:")
    for (name, _), found in trials.masks(samples_of_group).items():
        dice_of[group, name] = my_dice(found, truth_of[group])
        accuracy = (found == truth_of[group]).float().mean()
        print(f"    {name:21} Dice {dice_of[group, name].mean():.2f}   pixel accuracy {accuracy:.2f}")

# %% [markdown]
# Look at the pixel accuracies: they are *higher* on the tiny lesions, where the Dice is lower. Section 2 again.
#
# Here is one tiny lesion with the outline of each network, epoch by epoch. Press play. (`trials.play(1)` and
# `trials.play(2)` show two more lesions.)

# %% tags=["skip-grading"]
trials.play(0)

# %% [markdown]
# ### Ten seeds
#
# Each loss was also trained from ten random seeds beforehand, with `python -m segcourse.course.ladder`. The seed draws
# the starting weights and the order of the pictures. Over ten seeds, soft Dice has a higher mean Dice on tiny lesions
# than cross-entropy. Now take one training of each.

# %%
names = ["cross-entropy", "soft Dice", "focal", "U-Net"]  # U-Net: cross-entropy + Dice
question = "Of 100 pairs of single trainings, in how many does cross-entropy beat soft Dice?"
with predict(question, {"none": 0, "1 to 30": 1, "more than 30": 31}) as reveal:
    scores = {name: torch.tensor(one) for name, one in ladder.spread("tiny", *names).items()}
    for name, one in scores.items():
        print(f"{name:14} mean {one.mean():.2f}, seeds from {one.min():.2f} to {one.max():.2f}")
        beaten = (one[:, None] > scores["soft Dice"]).sum()  # all pairs of seeds
        if name != "soft Dice":
            print(f"{'':14} beats soft Dice in {beaten} of 100 pairs")
        if name == "cross-entropy":
            reveal(beaten)

# %% [markdown]
# <details><summary>What can you conclude?</summary>
#
# The better loss on average loses some of the pairs. With one training of each, you can't separate two losses whose means are
# close together, such as soft Dice and cross-entropy + Dice. Soft Dice against focal is clear. On the ladder's lesions (not
# shown), the means are closer still. So train several seeds before you claim a difference, and trust a difference more if a
# reason predicted it.
# </details>
#
# And the one-sum Dice of section 8? It was trained from the same ten seeds.

# %%
question = "On how many of 50 tiny lesions does the one-sum Dice predict no lesion pixel at all?"
with predict(question, {"about 2": 0, "about 10": 6, "about 25": 15}) as reveal:
    missed = ladder.spread("missed", *names, "one-sum Dice")
    bars = {name: sum(counts) / len(counts) for name, counts in missed.items()}
    show_bars(bars, xlabel="tiny lesions without a predicted pixel, of 50 (mean of ten seeds)")
    reveal(bars["one-sum Dice"])

# %% [markdown]
# <details><summary>So was section 8 wrong?</summary>
#
# The one-sum Dice misses twice as many tiny lesions as the Dice with a mean over the classes, but fewer than cross-entropy. So
# the direction of section 8 is right, and the effect is far smaller than its formulas suggest. In section 8, the lesion was 1 %
# of all pixels. Here the loss sums over eight pictures at once, and lesions cover a quarter of their pixels. So the lesion class
# isn't rare: where seven pictures of a batch hold large lesions that were found, the ratio that section 8 printed, 17, falls to
# less than 2. What a network learned from large lesions may help with tiny ones, too. That is a guess. A data set with tiny
# lesions only would test it.
# </details>

# %% [markdown]
# ### Choose the threshold on the validation set
#
# A mask needs a threshold, and it is part of the method. Choose it on pictures that neither trained nor test the
# network.

# %% tags=["skip-grading"]
segmenter = trials.segmenters["cross-entropy + Dice", seed]
val = [pictures.val[i] for i in range(len(pictures.val))]
chances = torch.stack([segmenter.probabilities(sample.image)[1] for sample in val])
val_truth = torch.stack([sample.mask for sample in val])
thresholds = [step / 20 for step in range(1, 20)]
curve = [my_dice((chances > threshold).long(), val_truth).nanmean() for threshold in thresholds]
show_curves({"validation set": curve}, thresholds, xlabel="threshold", ylabel="Dice, per image")
best = thresholds[int(torch.stack(curve).argmax())]
print(f"best threshold on the validation set: {best:.2f}")

# %% [markdown]
# The explorer shows what the threshold does to one held-out lesion: the probability map, the outline and the errors.

# %% tags=["skip-grading"]
one = pictures.test[int(dice_of["ladder", "cross-entropy + Dice"].argsort()[60])]  # its Dice is the median
probability = segmenter.probabilities(one.image)[1]
explorer = threshold_explorer(one.image, probability, one.mask, threshold=best, palette=lesions.palette)

# %% [markdown]
# ## 13. Which loss when
#
# | your data | loss | why |
# | --- | --- | --- |
# | anything, to begin with | cross-entropy + soft Dice (`fit`'s default) | steady gradients, and every class counts |
# | classes of similar size | cross-entropy | simple; its probabilities are close to frequencies (check their calibration) |
# | very small or rare objects | cross-entropy + soft Dice with more weight on Dice | the rare class gets its own denominator |
# | most pixels are easy, hard ones are few | focal loss | easy pixels lose their weight |
# | misses of a small class cost more than false alarms | Tversky loss (below), class weights, or a lower threshold | you choose what each mistake costs |
# | unlabelled pixels | any loss that leaves them out of every sum, and is 0 if no pixel is labelled | no NaN, no wrong weights |
#
# Avoid the Dice with all classes in one sum: its formula doesn't protect a rare class, although section 12 showed little of that.
# The Tversky loss of one class is $1 - TP / (TP + \alpha\,FP + \beta\,FN)$, with sums of probabilities of its right pixels, false
# alarms and misses. `segcourse.tversky_loss` is the mean over the classes. A missed lesion pixel is a false alarm of the skin, so
# with $\beta > \alpha$, misses of the *smaller* class cost more.
#
# ### The ladder
#
# The chart compares nine methods of the course on the same 120 held-out lesions; each dot is one lesion. The results of the
# course's networks are means over ten seeds, and your networks of section 12 are below them. Otsu's threshold (1979) calls
# everything darker than one grey value a lesion. "Without skips" is a U-Net of lesson 3. The green band shows how well two people
# agree, on real photographs (IMA++, arXiv 2512.21472).

# %% tags=["skip-grading"]
chart = ladder.show({f"yours: {name}": dice_of["ladder", name] for name in variants})

# %% [markdown]
# The step from a threshold to a network is large, and the steps between losses are small. GrabCut, which learns nothing, has a
# slightly higher median than the U-Net. But its mean is far lower, because it misses about one lesion in six completely. Our
# lesions are drawn by code with exact borders, so you can't compare a network here with a person. So look at the dots on the
# left: most methods still fail on some lesions almost completely, and no median shows that.
#
# The same methods can learn from photographs. For the next chart, the networks and the forest learned from 400 photographs of
# ISIC 2018, with the same plan, and all methods were tested on 120 others. (Networks: means over three seeds, trained beforehand
# with `python -m segcourse.course.ladder --photographs`.) Compare methods within a chart. A number of this chart and one of the
# chart above can't be compared, because the pictures differ.

# %%
chart = ladder.show_photographs()

# %% [markdown]
# By median, every network beats every method without a network here. On drawn lesions GrabCut has the highest median, probably
# because their borders are exact, and the forest has the third highest. DeepLabV3 comes closer to the U-Net. One reason may be
# that people draw smooth outlines around blurred borders, so a coarse map costs less than on our lesions with their exact
# borders. The U-Net's median reaches that of two people. Is it as good as a person, then? This chart can't say: the two people
# outlined other photographs. And look at the left again: on some photographs the U-Net's Dice is below one third.

# %% [markdown]
# ## 14. When it goes wrong
#
# Three mistakes that are common in real notebooks, each with its symptom. Read the symptom, find the line, repair it in
# place and run the cell again. Nothing here is graded.
#
# ### 14.1 "My loss is negative, and it is going down nicely"

# %%
saved_mask = small.mask * 255  # as it is stored in the PNG file
guess = torch.where(small.mask == 1, 0.7, 0.02)  # a fair prediction: probabilities of lesion
loss = 1 - 2 * (guess * saved_mask).sum() / (guess.sum() + saved_mask.sum())
print(f"Dice loss {loss:.2f} (after the repair: about 0.6)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Which values does the formula expect in the target, and which ones does this target have? Print
# <code>target.unique()</code> before the first epoch of anything. With 255 in place of 1, the fraction can grow to 2, and
# false alarms hardly change its denominator.
# </details>
#
# ### 14.2 "IoU above 1: our best result ever"
#
# The prediction is perfect, so the IoU should be 1.

# %%
logits = torch.stack([sample.mask for sample in patients]).float().unsqueeze(1) * 4 - 2  # N, 1, H, W
masks_of_batch = torch.stack([sample.mask for sample in patients])  # N, H, W

guess = logits > 0
intersection = (guess * masks_of_batch).sum()
union = guess.sum() + masks_of_batch.sum() - intersection
print(f"IoU {intersection / union:.2f} (it should lie between 0 and 1)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Print <code>(guess * masks_of_batch).shape</code>. Broadcasting aligns shapes from the right: N x 1 x H x W times N x
# H x W pairs every prediction with <em>every</em> mask. The course's functions refuse two different shapes for this
# reason.
# </details>
#
# ### 14.3 "Dice is stuck"
#
# Ten steps, and the loss has not moved in any digit.

# %%
torch.manual_seed(0)
first, last = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 2, 3, padding=1)
network = torch.nn.Sequential(first, torch.nn.ReLU(), last)
optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
picture, target = samples[0].image[None], samples[0].mask[None]
t = torch.stack([target == 0, target == 1], dim=1).float()  # 1, 2, H, W
history = []
for _ in range(10):
    p = network(picture).softmax(dim=0)
    loss = 1 - (2 * (p * t).sum((0, 2, 3)) / (p.sum((0, 2, 3)) + t.sum((0, 2, 3)))).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(round(loss.item(), 4))
print(history)

# %% [markdown]
# <details><summary>Where to look</summary>
# Over which axis do the probabilities add up to 1? What does that make them in a batch of one? In a larger batch this
# slip is worse. The loss moves, but the probabilities of each picture depend on the other pictures.
# </details>

# %% [markdown]
# ## 15. In five lines
#
# 1. Say what your score averages over, and what it does with 0/0.
# 2. With all classes in one sum, Dice and IoU measure pixel accuracy, and the formula no longer protects rare classes.
# 3. Scores answer 0/0 with NaN. Losses must not: a batch without labels changes nothing.
# 4. Start with cross-entropy + soft Dice. Class weights and thresholds shift the balance between misses and false
#    alarms.
# 5. Compare losses over several seeds, on the cases that matter to you, next to a plain threshold.
#
# **Read on.** Long, Shelhamer and Darrell 2015, *Fully convolutional networks* (arXiv 1411.4038), section 5: pixel
# accuracy, mean IU and related scores. Milletari et al. 2016, *V-Net* (arXiv 1606.04797), section 3: the Dice loss,
# with squares in its denominator. Lin et al. 2017, *Focal loss* (arXiv 1708.02002), section 3. Mukhoti et al. 2020,
# *Calibrating deep neural networks using focal loss* (arXiv 2002.09437). Salehi et al. 2017, *Tversky loss* (arXiv
# 1706.05721), section 2.2. Codella et al. 2019, *ISIC 2018* (arXiv 1902.03368): the threshold Jaccard. Maier-Hein,
# Reinke et al. 2024, *Metrics reloaded* (arXiv 2206.01653), and Reinke et al. 2021, *Common limitations of image
# processing metrics* (arXiv 2104.05642), which illustrates the topics of this lesson.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("05_losses_metrics.ipynb")
