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
# Two numbers steer every project of this course. The *loss* is what a network is trained to lower; the
# *metric* is what people compare and publish. Both come in versions that share a name and disagree. In this
# lesson you write eight of them, see what each one looks away from, and train one network with three losses
# to see how much it matters.
#
# About 90 minutes. Builds on lesson 3 (the U-Net); you need no more of it than "images go in, logits come
# out". The notebook itself runs in about two minutes on two processor cores. All pictures and all figures
# come from the procedural lesions, `load_dataset("lesions")`, or from masks small enough to check with a
# pencil.

# %% [markdown]
# ## What you will be able to do
#
# - count which class was taken for which, pixels that nobody labelled left out: `confusion_matrix`
# - read intersection over union off those counts, and say what recall and precision would have hidden:
#   `iou_per_class`
# - say which mean a "mean IoU" is, and compute the usual one: `mean_iou`
# - score foreground masks image by image, and treat two empty masks knowingly: `dice_score`
# - write a Dice loss that cannot overlook a rare class: `soft_dice_loss`
# - write a cross-entropy that survives a picture without labels: `cross_entropy`
# - turn the loss away from pixels that are easy already: `focal_loss`
# - compute the score of the ISIC challenge, with its cliff: `threshold_jaccard`

# %%
import cv2
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

import segcourse
from segcourse import Scores, check, fit, load_dataset, losses, metrics, show_results
from segcourse.data.lesions import APPEARANCE
from segcourse.plotting import ladder_chart, overlay, show, show_bars
from segcourse.widgets import predict, reveal, threshold_explorer

# %%
torch.manual_seed(0)
# hairs, rulers and so on; and one lesion in twelve covers only 0.3 to 2 % of its picture
KINDS = [*APPEARANCE, "tiny lesions"]
lesions = load_dataset("lesions", "test", size=128, count=100, difficulties=KINDS)
samples = list(lesions)

# %% [markdown]
# ## 1. Where this ends
#
# ![Three small held-out lesions in rows, and the masks that one network draws after training with three
# different losses. The pictures come again, with their scores, in section 10.](result.png)
#
# Three held-out lesions, each under 2 % of its picture, and one small network trained with three losses, from
# the same first weights and on the same pictures. Each loss seems to have its strong and its weak picture;
# which one is better? Section 10 trains them here, with the losses that you will have written, and the answer
# is not what such a picture suggests.

# %% [markdown]
# ## 2. 99 % right, and nothing found
#
# The lesion below covers about 1 % of its picture. Network A answers "skin" everywhere. Network B finds the
# lesion and every pixel of it, but draws the border three pixels too far out.
#
# The obvious score is *pixel accuracy*, the share of the pixels that got the right class. Before you run the
# second cell: which network does it prefer?

# %%
predict(
    "Which network has the higher pixel accuracy?", ["A, which finds nothing", "B, which finds the lesion"]
)

# %%


def share(sample):
    """The part of the picture that the lesion covers, 0 to 1."""
    return sample.mask.float().mean().item()


def widened(mask, pixels):
    """The mask, its border that many pixels further out (in all eight directions)."""
    return F.max_pool2d(mask[None].float(), 2 * pixels + 1, stride=1, padding=pixels)[0].long()


small = min(samples, key=lambda sample: abs(share(sample) - 0.01))
answers = {
    "A, which finds nothing": torch.zeros_like(small.mask),
    "B, which finds the lesion": widened(small.mask, 3),
}
show_results(
    [small.image] * 2, [small.mask] * 2, list(answers.values()), palette=lesions.palette, titles=["A", "B"]
)
accuracy = {name: (answer == small.mask).float().mean().item() for name, answer in answers.items()}
print({name: round(value, 4) for name, value in accuracy.items()})
reveal(max(accuracy, key=accuracy.get))

# %% [markdown]
# **A wins**, with 99 % and nothing found: B pays for each pixel of its generous border, and there are more of
# those than lesion pixels to be missed. The other two numbers, above the right-hand pictures, put B first; we
# come to them.
#
# Accuracy mixes two kinds of mistake in one sum, and the large class drowns the small one. So do not sum yet.
# Count pairs: how often was class $i$ (the truth, a row) taken for class $j$ (the prediction, a column)? That
# table is the *confusion matrix*, and every score of the next three sections can be read off it.

# %%
for name, answer in answers.items():
    (skin, alarms), (misses, hits) = segcourse.confusion_matrix(answer, small.mask, num_classes=2).tolist()
    print(f"{name}:")
    print(f"    truth skin:    {skin:6} called skin {alarms:6} called lesion")
    print(f"    truth lesion:  {misses:6} called skin {hits:6} called lesion")

# %% [markdown]
# ### Exercise 5.1 · `confusion_matrix` · difficulty 2 of 3 · 10 minutes · 4 points
#
# Count the pairs.
#
# - `prediction` and `target`: integer tensors of the same shape, H x W or N x H x W, with class ids 0 … num_classes - 1.
#   Any integer type is possible (uint8, int16, int32, int64), also different ones
# - a batch gives one matrix, of all its pixels
# - pixels whose *target* equals `ignore_index` are left out, whatever the prediction says there. `ignore_index` may be
#   any id: 255, the id of a class (0, too), or an id beyond 255. The prediction never makes a pixel ignored
# - returns a tensor of counts, num_classes x num_classes: row the true class, column the predicted class. Classes that
#   do not occur have a row and a column of zeros
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. Other functions may be steps on the way. An answer never changes its inputs.
#
# <details><summary>Hint 1: how do I count pairs without a loop?</summary>
# Give each pair a number of its own, 0 … num_classes² - 1, and count how often each number occurs.
# <code>torch.bincount</code> counts.
# </details>
# <details><summary>Hint 2: right for small masks, wrong for others</summary>
# Absent classes: does your count always have num_classes² entries? Many classes stored as uint8: how large
# can the number of a pair become, and what is 255 + 1 in uint8?
# </details>


# %% nbgrader={"grade": false, "grade_id": "confusion_matrix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def confusion_matrix(prediction, target, num_classes, ignore_index=255):
    """Count how often each true class (row) was predicted as each class (column)."""
    raise NotImplementedError("Exercise 5.1")


# %% nbgrader={"grade": true, "grade_id": "check_confusion_matrix", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("confusion_matrix", confusion_matrix)

# %% [markdown]
# ## 3. What the union sees
#
# Call the true lesion $A$ and the predicted one $B$. Three fractions have the same numerator, the pixels in
# both:
#
# | score | is | in words |
# | --- | --- | --- |
# | recall | $\lvert A \cap B\rvert \,/\, \lvert A\rvert$ | which part of the lesion was found |
# | precision | $\lvert A \cap B\rvert \,/\, \lvert B\rvert$ | which part of what was found is lesion |
# | intersection over union (IoU, Jaccard index) | $\lvert A \cap B\rvert \,/\, \lvert A \cup B\rvert$ | both at once |
#
# Take two useless masks: one calls the whole picture lesion, the other calls a single pixel lesion, one that
# happens to lie in its middle.

# %%
predict(
    "How many of the three scores can a useless mask bring to 1.000?", ["none", "one", "two", "all three"]
)

# %%
one_pixel = torch.zeros_like(small.mask)
row, column = small.mask.nonzero().float().mean(dim=0).round().long()
one_pixel[row, column] = 1
useless = {"the whole picture": torch.ones_like(small.mask), "a single pixel": one_pixel}


def three_scores(answer):
    """Recall, precision and IoU of the small lesion."""
    matrix = segcourse.confusion_matrix(answer, small.mask, num_classes=2)
    hits, truth, found = matrix[1, 1], matrix[1].sum(), matrix[:, 1].sum()
    return {"recall": hits / truth, "precision": hits / found, "IoU": segcourse.iou_per_class(matrix)[1]}


reached = set()
for name, answer in (answers | useless).items():
    scores = three_scores(answer)
    print(f"{name:26}", "   ".join(f"{score} {value:.3f}" for score, value in scores.items()))
    reached |= {score for score, value in scores.items() if name in useless and value == 1}
reveal(["none", "one", "two", "all three"][len(reached)])

# %% [markdown]
# **Two**: recall loves the mask that is everywhere, precision the single lucky pixel. Each forgives one kind
# of mistake. IoU gives both masks about 0.01, because the union holds the misses *and* the false alarms.
#
# In the confusion matrix, a class's row holds its true pixels, its column the predicted ones, and the
# diagonal what is in both. One line above said `nan`: A found nothing, so its precision is 0/0. That is no
# accident to be repaired. It is a question without an answer, and the next exercise is strict about it: a
# class that occurs *neither* in the truth *nor* in the prediction has no IoU. A class that was predicted and
# is not there has one, and it is 0.

# %% [markdown]
# ### Exercise 5.2 · `iou_per_class` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Read the IoU of every class off a confusion matrix.
#
# - `matrix`: int64 tensor C x C as in exercise 5.1, rows the truth, columns the prediction; the counts may be very large
# - returns a float tensor of C numbers, 0 … 1: the intersection over union of each class
# - a class with no pixel in truth and prediction is 0/0: NaN (not 0, not 1). A class that is only in the prediction, or
#   only in the truth, gets 0
#
# <details><summary>Hint 1: the size of a union</summary>
# Row plus column counts some pixels twice. Which ones?
# </details>
# <details><summary>Hint 2: where does NaN come from?</summary>
# From nowhere special: a float tensor divided by a float tensor gives NaN at 0/0 by itself.
# </details>


# %% nbgrader={"grade": false, "grade_id": "iou_per_class", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iou_per_class(matrix):
    """Return the IoU of each class, float C; NaN for a class in neither truth nor prediction."""
    raise NotImplementedError("Exercise 5.2")


# %% nbgrader={"grade": true, "grade_id": "check_iou_per_class", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("iou_per_class", iou_per_class)

# %% [markdown]
# ## 4. The mean of what?
#
# Papers report one number, the mean IoU. Here are two images of 2 x 2 pixels, scored for three classes. One
# pixel of the eight is wrong, and class 2 occurs nowhere.
#
# | | truth | prediction |
# | --- | --- | --- |
# | image 1 | `0 1` / `1 0` | `0 1` / `1 0` |
# | image 2 | `0 1` / `1 1` | `1 1` / `1 1` |
#
# What can there be to disagree about?

# %%
predict(
    "How many different values of mIoU do the rules in use give for these two images?",
    ["one", "two", "four", "seven"],
)

# %%
prediction = torch.tensor([[[0, 1], [1, 0]], [[1, 1], [1, 1]]])
truth = torch.tensor([[[0, 1], [1, 0]], [[0, 1], [1, 1]]])
total = segcourse.confusion_matrix(prediction, truth, num_classes=3)
pairs = list(zip(prediction, truth, strict=True))
matrices = [segcourse.confusion_matrix(guess, mask, num_classes=3) for guess, mask in pairs]


def absent_as(matrix, value):
    """Mean IoU in which a class that occurs nowhere counts as `value`."""
    return segcourse.iou_per_class(matrix).nan_to_num(value).mean().item()


def one_sum(matrix):
    """IoU after adding up the intersections, and the unions, of all classes ("micro")."""
    intersections = matrix.diagonal().sum().item()
    unions = 2 * matrix.sum().item() - intersections  # each pixel is in one true and one predicted class
    return intersections / unions


def image_by_image(rule):
    """The mean, over the two images, of what a rule says of each."""
    return sum(rule(matrix) for matrix in matrices) / len(matrices)


rules = {
    "all pixels · absent class counts 0": absent_as(total, 0),
    "image by image · absent class left out": image_by_image(
        lambda matrix: segcourse.mean_iou(matrix).item()
    ),
    "all pixels · absent class left out": segcourse.mean_iou(total).item(),
    "all pixels · classes in one sum": one_sum(total),
    "image by image · absent class counts 1": image_by_image(lambda matrix: absent_as(matrix, 1)),
    "image by image · classes in one sum": image_by_image(one_sum),
    "all pixels · absent class counts 1": absent_as(total, 1),
}
told = ", ".join(f"{rule}: {value:.3f}" for rule, value in rules.items())
show_bars(rules, xlabel='"mIoU" of the same two images', alt=f"Seven bars of different length. {told}.")
names = {1: "one", 2: "two", 4: "four", 7: "seven"}
reveal(names[len({round(value, 4) for value in rules.values()})])

# %% [markdown]
# **Seven**, from **0.500 to 0.833**. Each of them is somebody's mean IoU:
#
# | value | rule | who computes it |
# | --- | --- | --- |
# | 0.500 | all pixels, absent class counts 0 | scikit-learn `jaccard_score(average="macro")`, given all labels |
# | 0.688 | image by image, absent class left out | torchmetrics `segmentation.MeanIoU`, MONAI `MeanIoU` (but see below) |
# | 0.750 | all pixels, absent class left out | torchmetrics `JaccardIndex`; scikit-learn, left to find the labels itself |
# | 0.778 | all pixels, classes in one sum | segmentation_models.pytorch `iou_score("micro")`, torchmetrics with `average="micro"` |
# | 0.792 | image by image, absent class counts 1 | segmentation_models.pytorch `iou_score("macro-imagewise")` |
# | 0.800 | image by image, classes in one sum | segmentation_models.pytorch `iou_score("micro-imagewise")` |
# | 0.833 | all pixels, absent class counts 1 | segmentation_models.pytorch `iou_score("macro")` |
#
# Where two libraries share a line they may part on the next pair of images: some leave a class out because
# the *truth* does not have it, and then a false alarm costs nothing. So a comparison of mIoU across papers
# compares averaging rules first and networks second. The course follows Long et al. 2015: all pixels of the
# data set in one matrix, IoU class by class, absent classes left out, then the mean.
#
# Look at 0.778 again. Seven of the eight pixels are right: accuracy 0.875, and 0.875 / (2 - 0.875) = 0.778.
# Is that a coincidence?

# %%
random_matrices = torch.randint(0, 50, (1000, 4, 4))
gaps = []
for matrix in random_matrices:
    right = metrics.pixel_accuracy(matrix).item()
    gaps.append(abs(one_sum(matrix) - right / (2 - right)))
print(f"1,000 random confusion matrices, largest |micro-IoU - acc / (2 - acc)|: {max(gaps):.1e}")

# %% [markdown]
# It is not. With all classes in one sum, the intersections add up to the pixels that are right, $R$, and the
# unions to $2N - R$. So micro-IoU is $R / (2N - R)$, pixel accuracy in disguise: it knows about rare classes
# exactly what accuracy knew in section 2, nothing.

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


# %% nbgrader={"grade": true, "grade_id": "check_mean_iou", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("mean_iou", mean_iou)

# %% [markdown]
# ## 5. Per image, or per data set
#
# For lesions people prefer the *Dice score*, also called F1: twice the shared pixels over the sum of both
# areas,
#
# $$\text{Dice} = \frac{2\,\lvert A \cap B\rvert}{\lvert A\rvert + \lvert B\rvert} = \frac{2\,\text{IoU}}{1 + \text{IoU}}.$$
#
# It orders two masks of one image just as IoU does, and is the kinder number: IoU 0.5 is Dice 0.667. What
# differs, again, is the averaging. Below are five lesions, one large and four small. A network outlines the
# large one almost perfectly (one pixel too wide) and misses the other four altogether.

# %%
bands = {"above 0.8": 0.8, "0.4 to 0.8": 0.4, "below 0.4": 0.0}
predict(
    "All five pictures are pooled into one matrix. What is the Dice score of the lesion class?", list(bands)
)

# %%
by_size = sorted(samples, key=share)
patients = [*by_size[:4], by_size[-1]]
masks = torch.stack([sample.mask for sample in patients])
found = torch.zeros_like(masks)
found[-1] = widened(masks[-1], 1)

scores = Scores(num_classes=2)
scores.update(found, masks)
summary = scores.compute()
print("Dice of each image:", [round(row["dice"], 3) for row in scores.per_image])
averages = {"per data set": summary["dice_per_dataset"], "per image": summary["dice_per_image"]}
told = " and ".join(f"{value:.2f} {name}" for name, value in averages.items())
show_bars(averages, xlabel="Dice score of one network on five lesions", alt=f"Two bars: {told}.")
reveal(next(band for band, least in bands.items() if averages["per data set"] >= least))

# %% [markdown]
# **Nearly 1 and about 0.2, and both are called "the Dice".** Pooled, every *pixel* counts the same, so the
# large lesion speaks for all. Image by image, every *patient* counts the same, and four of five went home
# undiagnosed. Neither is wrong; a table that does not say which one it shows is.
#
# Image by image raises the question that section 3 left open. Five healthy pictures join the five lesions,
# and on them the network rightly answers "nothing". Their Dice is 0/0.

# %%
predict(
    "What do five right answers on healthy skin do to the mean Dice?",
    ["it rises", "it falls", "nothing", "all three are in use"],
)

# %%
healthy = torch.zeros_like(masks)
dice = segcourse.dice_score(torch.cat([found, healthy]), torch.cat([masks, healthy]))
conventions = {
    "lesions only, as before": segcourse.dice_score(found, masks).mean(),
    "0/0 counts as 1": dice.nan_to_num(1).mean(),
    "0/0 counts as 0": dice.nan_to_num(0).mean(),
    "0/0 is left out": dice.nanmean(),
}
told = ", ".join(f"{name}: {value:.2f}" for name, value in conventions.items())
show_bars(conventions, xlabel="mean Dice per image", alt=f"Four bars. {told}.")
reveal("all three are in use")

# %% [markdown]
# One network, one data set, and a factor of six between the conventions. A smoothing term in numerator and
# denominator makes it 1 without asking, a small number in the denominator alone makes it 0. And the 1 hides a
# step: had the network put a *single* false pixel on each healthy picture, all those ones would be zeros.
#
# In this course 0/0 is NaN and averages skip it. A set with healthy pictures then needs a second number that
# says how often the network raised a false alarm; no average can carry both.

# %% [markdown]
# ### Exercise 5.4 · `dice_score` · difficulty 2 of 3 · 10 minutes · 3 points
#
# One Dice score per image.
#
# - `prediction` and `target`: tensors of the same shape, H x W or N x H x W, that hold 0 and 1 as int64 or uint8, or bool;
#   both have the same type, and no pixels are ignored
# - only the foreground (1) is scored
# - returns a float tensor: N scores for a batch (one score for a batch of one), and a scalar tensor for a single H x W
#   mask
# - both masks empty: NaN. Only one of them empty: 0
#
# <details><summary>Hint 1: where do I start?</summary>
# Three areas for each image: the prediction's, the target's and the shared one. The last two axes are summed
# away, <code>dim=(-2, -1)</code>, and whatever stands before them stays.
# </details>
# <details><summary>Hint 2: right for int64, wrong for bool or uint8</summary>
# <code>True + True</code> is <code>True</code>, and 0 - 1 is 255 in uint8. Sum each mask first, or bring both
# to one type that can count: <code>.bool()</code> to combine masks, <code>.double()</code> to calculate with
# areas.
# </details>


# %% nbgrader={"grade": false, "grade_id": "dice_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dice_score(prediction, target):
    """Return the foreground's Dice score of each image: masks (…, H, W) to scores (…)."""
    raise NotImplementedError("Exercise 5.4")


# %% nbgrader={"grade": true, "grade_id": "check_dice_score", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("dice_score", dice_score)

# %% [markdown]
# ## 6. The Dice that looked away
#
# If Dice is what we want, why not train for it? Counting is not differentiable, but probabilities are. Let
# $p_{ic}$ be the probability that pixel $i$ has class $c$, and $t_{ic}$ 1 for its true class and 0 for the
# others. The soft Dice loss is
#
# $$1 - \frac{2\sum p\,t}{\sum p + \sum t}.$$
#
# The formula hides one decision: which indices does $\sum$ run over? All pixels *and* all classes is the
# shortest code, and you will meet it in code that is copied widely.

# %%
predict(
    "A lesion of 1 % of the picture is missed altogether. What is the loss with all pixels and classes in one sum?",
    ["0.01", "0.50", "0.99"],
)

# %%


def everything_in_one_sum(p, t):
    """The short one: sums over whatever axes there are."""
    return 1 - 2 * (p * t).sum() / (p.sum() + t.sum())


def three_losses(lesion_share, pixels=10_000):
    """What three Dice losses say of a network that finds nothing."""
    target = (torch.arange(pixels) < lesion_share * pixels).long()
    lesion = torch.full((pixels,), 1e-6)  # probability of class 1 in each pixel
    p, t = torch.stack([1 - lesion, lesion]), torch.stack([target == 0, target == 1]).float()  # 2, pixels
    logits = p.log().reshape(1, 2, 100, -1)
    return {
        "all in one sum": everything_in_one_sum(p, t).item(),
        "mean over the classes": losses.soft_dice_loss(logits, target.reshape(1, 100, -1)).item(),
        "lesion alone": everything_in_one_sum(p[1], t[1]).item(),
    }


shares = [0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]
said = [three_losses(one) for one in shares]
figure = Figure(figsize=(7, 3.4), layout="constrained")
axes = figure.subplots()
for name, colour, line in zip(said[0], ["#D55E00", "#0072B2", "#009E73"], ["o-", "s--", "^:"], strict=True):
    axes.plot(
        [100 * one for one in shares], [values[name] for values in said], line, color=colour, label=name
    )
axes.set(
    xscale="log", xlabel="lesion's share of the picture, %", ylabel="loss when it is missed", ylim=(0, 1.1)
)
axes.invert_xaxis()
axes.set_xticks([50, 10, 1, 0.1], ["50", "10", "1", "0.1"])
axes.grid(alpha=0.3)
axes.legend(frameon=False)
missed = three_losses(0.01)
told = ", ".join(f"{name} {value:.2f}" for name, value in missed.items())
show(figure, f"Loss of a missed lesion against its size: one curve falls to 0, two stay up. At 1 %: {told}.")
print("a lesion of 1 %, missed:", {name: round(value, 3) for name, value in missed.items()})
reveal(f"{missed['all in one sum']:.2f}")

# %% [markdown]
# **0.01.** The smaller the lesion, the more content this loss is with having missed it. Nothing is broken;
# the sum asks another question. Each pixel adds exactly 1 to $\sum p$ (its probabilities add up to 1) and 1
# to $\sum t$. With $N$ pixels the denominator is $2N$, whatever the network says, and what is left is
#
# $$1 - \frac{2\sum_{i,c} p_{ic}\,t_{ic}}{2N} = 1 - \frac1N \sum_i p_{i,\text{true}(i)},$$
#
# one minus the mean probability of the right class. That is soft pixel accuracy, and we know from section 2
# what *that* overlooks. Let us see both halves of the claim: that the two are equal, and what a network would
# feel of it.

# %%
some_logits, some_target = torch.randn(2, 3, 16, 16), torch.randint(0, 3, (2, 16, 16))
p = some_logits.softmax(dim=1)  # N, C, H, W
t = F.one_hot(some_target, num_classes=3).movedim(-1, 1).float()  # N, C, H, W
print(
    f"random logits: one sum {everything_in_one_sum(p, t):.6f}, 1 - mean p_true {1 - (p * t).sum(dim=1).mean():.6f}"
)

target = torch.zeros(1, 100, 100, dtype=torch.long)
target[0, :10, :10] = 1  # 1 % lesion
doubtful = torch.stack([torch.full((1, 100, 100), 0.95), torch.full((1, 100, 100), 0.05)], dim=1).log()
pulls = {}
for name in ("all in one sum", "mean over the classes"):
    logits = doubtful.clone().requires_grad_()
    if name == "all in one sum":
        loss = everything_in_one_sum(
            logits.softmax(dim=1), torch.stack([target == 0, target == 1], dim=1).float()
        )
    else:
        loss = losses.soft_dice_loss(logits, target)
    loss.backward()
    pulls[name] = [logits.grad[0, 1, 0, 0].abs().item(), logits.grad[0, 1, 50, 50].abs().item()]
    print(f"{name}: pull on a lesion pixel {pulls[name][0]:.2e}, on a skin pixel {pulls[name][1]:.2e}")
ratio = pulls["mean over the classes"][0] / pulls["all in one sum"][0]
print(f"a missed lesion pixel is pulled {ratio:.0f} times harder by the mean over the classes")

# %% [markdown]
# With everything in one sum, a missed lesion pixel is pulled exactly as hard as any skin pixel, and there are
# ninety-nine times as many of those. Class by class, the lesion has a denominator of its own, small because
# the lesion is small, and its pixels are heard. So when somebody says "we trained with Dice", ask: *summed
# over what?*
#
# One decision remains: which classes enter the mean. A class that the batch does not contain has no overlap
# to gain; its term would be 1, whatever the network does. It is left out. The background stays in, and on a
# batch without any lesion it is the only class left: its Dice pushes false alarms down.

# %% [markdown]
# ### Exercise 5.5 · `soft_dice_loss` · difficulty 3 of 3 · 15 minutes · 4 points
#
# Write the Dice loss that does not look away.
#
# - `logits`: float tensor, N x C x H x W, C at least 2: any real numbers, no softmax has been applied. Usually float32,
#   sometimes bfloat16, which is too coarse to compute in: convert to float32 first
# - `target`: int64 tensor, N x H x W, ids 0 … C-1; no ignored pixels
# - for each class, the sums of $p\,t$, of $p$ and of $t$ run over all pixels of the whole batch. They are plain sums:
#   nothing squared, no smoothing term
# - returns a scalar tensor: 1 minus the mean soft Dice of the classes that occur in `target`, class 0 among them
# - the check also compares the gradient with respect to the logits, which training needs
#
# <details><summary>Hint 1: where do I start?</summary>
# You need probabilities N x C x H x W and a truth of the same shape. The cell above makes both, and its sum
# is the one to change.
# </details>
# <details><summary>Hint 2: the first group passes, the others do not</summary>
# Look at which axes you sum over. The class axis is the only one that must survive; then there are C numbers
# to take a mean of, and not all of them belong in it.
# </details>


# %% nbgrader={"grade": false, "grade_id": "soft_dice_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def soft_dice_loss(logits, target):
    """Return one minus the mean soft Dice of the classes in target, each summed over the batch."""
    raise NotImplementedError("Exercise 5.5")


# %% nbgrader={"grade": true, "grade_id": "check_soft_dice_loss", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("soft_dice_loss", soft_dice_loss)

# %% [markdown]
# ## 7. Pixels that nobody labelled
#
# Many data sets mark pixels that nobody could label: the car's own bonnet, a blurred rim, the padding around
# a rotated picture. They carry the id 255, and a loss must act as if they were not there. PyTorch's
# cross-entropy has an `ignore_index` for this. Now a random crop falls wholly into such a region.

# %%
predict(
    "Every pixel of a batch is ignored. What does F.cross_entropy(..., ignore_index=255) return?",
    ["0", "0.693", "nan", "an error"],
)

# %%
picture, nobody_knows = torch.rand(1, 3, 16, 16), torch.full((1, 16, 16), 255)


def after_one_step(loss_of):
    """The loss of a batch without labels, and how many weights are NaN after one step with it."""
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 2, kernel_size=3, padding=1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    loss = loss_of(network(picture))
    loss.backward()
    optimizer.step()
    weights = torch.cat([parameter.flatten() for parameter in network.parameters()])
    print(f"loss {loss.item()}, {weights.isnan().sum()} of {len(weights)} weights are NaN after one step")
    return loss.item()


def squared_error(logits):
    """A loss written by hand: the mean, over the labelled pixels, of (1 - p_true)^2; with two classes."""
    labelled = nobody_knows != 255
    wrong = logits.softmax(dim=1)[:, 1] - (nobody_knows == 1).float()
    return (wrong**2 * labelled).sum() / labelled.sum()


print("PyTorch's cross-entropy:", end=" ")
value = after_one_step(lambda logits: F.cross_entropy(logits, nobody_knows, ignore_index=255))
print("a mean written by hand: ", end=" ")
after_one_step(squared_error)
print("mean loss of an epoch of three batches:", torch.tensor([0.7, value, 0.5]).mean().item())
reveal(f"{value:g}")

# %% [markdown]
# **nan**, a mean over no pixels: 0/0. PyTorch's own function then has luck, its gradient is zero. A mean
# written by hand has not: `0 * inf` is NaN as well, and after a single step every weight of the network is
# gone. And even the lucky one spoils whatever its value goes into: the epoch's mean is NaN, and "is this the
# best epoch so far?" is false from then on.
#
# For a *score*, NaN was the honest answer. For a loss it is not: a batch that says nothing should change
# nothing, so its loss is 0, with a gradient of zeros.
#
# The same denominator has a quieter trap. Memory is short, so we split a batch of two pictures into two
# micro-batches and average their losses. In the first picture all pixels are labelled, in the second only a
# strip.

# %%
logits = torch.randn(2, 2, 32, 32)
target = torch.randint(0, 2, (2, 32, 32))
logits[0] += 3 * torch.stack([target[0] == 0, target[0] == 1]).float()  # the first picture is known well
target[1, 2:] = 255  # of the second, two rows in thirty-two are labelled
first, second, whole = (losses.cross_entropy(logits[part], target[part]) for part in ([0], [1], [0, 1]))
print(f"first micro-batch {first:.3f}, second {second:.3f}, their mean {(first + second) / 2:.3f}")
print(f"both as one batch {whole:.3f}")

# %% [markdown]
# **0.517 instead of 0.155**: 64 labelled pixels were given as much weight as 1024. Training would follow
# another gradient, and nobody would notice. Divide *once*, by all pixels that count. (`segcourse.fit` does so
# when it accumulates; the exercise asks for it within a batch.)

# %% [markdown]
# ### Exercise 5.6 · `cross_entropy` · difficulty 2 of 3 · 10 minutes · 3 points
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
# You may use `F.cross_entropy` or `F.log_softmax`, not the library's loss of the same name.
#
# <details><summary>Hint 1: where do I start?</summary>
# Look at <code>reduction</code> in the documentation of <code>F.cross_entropy</code>: you can have the sum
# and choose the denominator yourself.
# </details>
# <details><summary>Hint 2: how do I avoid 0/0 without an if?</summary>
# A count of labelled pixels is never between 0 and 1. <code>clamp(min=1)</code> changes it only where it is
# 0, and there the numerator is 0 already.
# </details>


# %% nbgrader={"grade": false, "grade_id": "cross_entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cross_entropy(logits, target, ignore_index=255):
    """Return the mean of -log p(true class) over the labelled pixels; 0 if there are none."""
    raise NotImplementedError("Exercise 5.6")


# %% nbgrader={"grade": true, "grade_id": "check_cross_entropy", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("cross_entropy", cross_entropy)

# %% [markdown]
# ## 8. Easy pixels
#
# A network has understood skin: on 99 % of the pixels it gives the right class a probability of 0.95. It has
# not understood the lesion: on the remaining 1 % the right class gets 0.2. Cross-entropy charges -log 0.95 =
# 0.05 for an easy pixel and -log 0.2 = 1.61 for a hard one, thirty times as much. So who dominates the loss?

# %%
thirds = {"less than a third": 0.0, "about a half": 0.33, "more than two thirds": 0.67}
predict("Which part of the cross-entropy comes from the easy pixels?", list(thirds))

# %%


def pixels_of(p_true, count):
    """Logits and target of `count` pixels whose true class, 0, has that probability."""
    logits = torch.tensor([p_true, 1 - p_true]).log().reshape(1, 2, 1, 1).expand(1, 2, 1, count)
    return logits, torch.zeros(1, 1, count, dtype=torch.long)


easy_share = {}
for gamma in (0.0, 0.5, 1.0, 2.0):
    easy, hard = (
        count * losses.focal_loss(*pixels_of(p, count), gamma).item() for p, count in [(0.95, 990), (0.2, 10)]
    )
    easy_share[f"gamma = {gamma:g}" + " (cross-entropy)" * (gamma == 0)] = easy / (easy + hard)
told = ", ".join(f"{name}: {value:.2f}" for name, value in easy_share.items())
show_bars(easy_share, xlabel="part of the focal loss that comes from easy pixels", alt=f"Four bars. {told}.")
plain = next(iter(easy_share.values()))
reveal(next(name for name, least in reversed(thirds.items()) if plain >= least))

# %% [markdown]
# **Three quarters** of the loss come from pixels that are right already: each pays little, but there are
# ninety-nine of them for each hard one. The *focal loss* (Lin et al. 2017) multiplies each pixel's
# cross-entropy by $(1 - p)^\gamma$, with $p$ the probability of its true class:
#
# $$\text{focal} = \frac1N \sum_i (1 - p_i)^\gamma \, (-\log p_i).$$
#
# With $\gamma = 2$ an easy pixel pays 0.0025 of its share and the hard ones keep 0.64 of theirs; the easy
# pixels' part drops to about 1 %. $\gamma = 0$ is cross-entropy. The price: nobody is paid for becoming surer
# than sure, so the network's probabilities say less about how often it is right.

# %% [markdown]
# ### Exercise 5.7 · `focal_loss` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Turn the loss away from easy pixels.
#
# - `logits`: float tensor, N x C x H x W, no softmax applied; float32, sometimes bfloat16 (convert to float32 first); as
#   in 5.6 they may be large
# - `target`: int64 tensor, N x H x W, ids 0 … C-1; no ignored pixels, and no class weights (no alpha)
# - `gamma`: any number, 0 or larger, such as 0.5; 2 by default
# - returns a scalar tensor: the mean, over all pixels of the batch, of the formula above; $p$ is the softmax's
#   probability of the true class
# - the check also compares the gradient, which flows through *both* factors. For every gamma it must be finite, also in
#   a pixel where $p$ is exactly 1 (hint 3)
#
# <details><summary>Hint 1: one call gives half of it</summary>
# <code>F.cross_entropy</code> with another <code>reduction</code> gives -log p for each pixel, N x H x W.
# </details>
# <details><summary>Hint 2: from -log p to p</summary>
# It takes one function, and no second softmax. Mind where the mean stands: before or after the factor?
# </details>


# %% nbgrader={"grade": false, "grade_id": "focal_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def focal_loss(logits, target, gamma=2.0):
    """Return the mean of (1 - p)^gamma · (-log p), p the probability of the true class."""
    raise NotImplementedError("Exercise 5.7")


# %% nbgrader={"grade": true, "grade_id": "check_focal_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("focal_loss", focal_loss)

# %% [markdown]
# ## 9. A score with a cliff
#
# The ISIC 2018 challenge (Task 1, lesion boundaries) wanted to know how many lesions are *usable*, not how
# good the average is. Its score, the *threshold Jaccard*: the Jaccard index (IoU) of each image, set to 0 if
# it is below 0.65, then the mean over the images.
#
# Two networks, ten lesions. The steady one reaches 0.64 on each of them. The moody one reaches 0.66 on seven
# and misses three altogether.

# %%
predict("Which one has the higher threshold Jaccard?", ["the steady one", "the moody one", "both the same"])

# %%
lesion = torch.ones(10, 5, 20, dtype=torch.long)  # ten lesions of 100 pixels, each filling its picture


def first_pixels(counts):
    """Masks of 100 pixels, of which the first so many are 1."""
    return torch.stack([(torch.arange(100) < count).long().reshape(5, 20) for count in counts])


networks = {"steady": first_pixels([64] * 10), "moody": first_pixels([66] * 7 + [0] * 3)}
for name, guess in networks.items():
    plain = segcourse.iou_score(guess, lesion).mean()
    print(
        f"{name:7} mean Jaccard {plain:.3f}   threshold Jaccard {segcourse.threshold_jaccard(guess, lesion):.3f}"
    )
at = {name: segcourse.threshold_jaccard(guess, lesion) for name, guess in networks.items()}
reveal("the moody one" if at["moody"] > at["steady"] else "the steady one")

# %% [markdown]
# The steady network is better by far on average and scores **0.000**: two hundredths decide between
# everything and nothing. That is what a cliff does, and it was meant to: an outline below the line counts as
# a failure. But a score with a cliff is noisy where many images lie near its edge, and it can only be read
# beside the plain mean. Report both.

# %% [markdown]
# ### Exercise 5.8 · `threshold_jaccard` · difficulty 2 of 3 · 10 minutes · 3 points
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
# <details><summary>Hint 1: where do I start?</summary>
# With N Jaccard indices, computed like the Dice scores of exercise 5.4. The threshold meets each of them; the
# mean comes last.
# </details>
# <details><summary>Hint 2: what happens to NaN at the threshold?</summary>
# Comparisons with NaN are always false: NaN &lt; 0.65 is, and so is NaN &gt;= 0.65. Choose the comparison
# that leaves NaN alone, and a mean that skips it.
# </details>


# %% nbgrader={"grade": false, "grade_id": "threshold_jaccard", "locked": false, "schema_version": 3, "solution": true, "task": false}
def threshold_jaccard(prediction, target, threshold=0.65):
    """Return the mean Jaccard index, 0 for images below the threshold, empty images left out."""
    raise NotImplementedError("Exercise 5.8")


# %% nbgrader={"grade": true, "grade_id": "check_threshold_jaccard", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("threshold_jaccard", threshold_jaccard)

# %% [markdown]
# ## 10. One network, three losses, three starts
#
# Enough of masks made up to prove a point. A small U-Net that works at half resolution sees 300 pictures of
# 64 x 64 pixels, six times. Cross-entropy, soft Dice and focal loss train it in turn; and because first
# weights and order are drawn by chance, each does so from three different starts (seeds). One lesion in
# twelve is tiny. The test is 120 ordinary held-out lesions, and apart from them, fifty tiny ones.
#
# The losses are *yours* where they pass their checks, else the library's. The nine trainings take a minute or
# two.

# %%
WHAT = ["the loss", "the start"]
for group in ("ordinary", "tiny"):
    predict(
        f"What moves the Dice of {group} lesions more: which loss you choose, or which start you draw?", WHAT
    )

# %% tags=["skip-grading"]


def yours(name):
    """Your own function if it passes its check, else the library's."""
    mine = globals()[name]
    passed = segcourse.exercises.assess(name, mine).passed
    print(f"{name}:", "yours" if passed else "the library's, until yours passes its check")
    return mine if passed else getattr(segcourse, name)


candidates = {
    "cross-entropy": yours("cross_entropy"),
    "soft Dice": yours("soft_dice_loss"),
    "focal": yours("focal_loss"),
}
dice_of = yours("dice_score")

# %% tags=["skip-grading"]
train, val, test = (
    load_dataset("lesions", split, size=64, count=count, difficulties=KINDS)
    for split, count in [("train", 300), ("val", 60), ("test", 600)]
)
ordinary, tiny = [], []
for sample in test:
    (tiny if share(sample) < 0.02 else ordinary).append(sample)
groups = {"ordinary": ordinary[:120], "tiny": tiny}
true_masks = {group: torch.stack([sample.mask for sample in members]) for group, members in groups.items()}
SEEDS = (0, 1, 2)

curves, segmenters, predicted = {}, {}, {}


def train_from_each_start(name, loss):
    """Train with this loss from each start; keep learning curve, network and predicted masks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small gain little from more, and lose a lot on a busy machine
    for seed in SEEDS:
        torch.manual_seed(seed)
        model = segcourse.create_model("half_unet", num_classes=2, width=16)
        options = {"epochs": 6, "learning_rate": 3e-3, "seed": seed, "folder": False, "progress": False}
        history = fit(model, train, val, loss=loss, **options)
        curves[name, seed] = [row["dice_per_image"] for row in history.rows]
        segmenters[name, seed] = segcourse.Segmenter(model, palette=lesions.palette, size=64)
        for group, members in groups.items():
            masks = segmenters[name, seed].predict_batch([sample.image for sample in members])
            predicted[name, seed, group] = torch.stack([torch.as_tensor(mask).long() for mask in masks])
    torch.set_num_threads(threads)
    best = ", ".join(f"{max(curves[name, seed]):.3f}" for seed in SEEDS)
    print(f"{name:14} best validation Dice of each start: {best}")


for name, loss in candidates.items():
    train_from_each_start(name, loss)

# %% tags=["skip-grading"]
STYLES = dict(zip(candidates, [("#D55E00", "o-"), ("#0072B2", "s--"), ("#009E73", "^:")], strict=True))
figure = Figure(figsize=(7, 3), layout="constrained")
axes = figure.subplots()
for (name, seed), curve in curves.items():
    label = name if seed == SEEDS[0] else None
    axes.plot(range(1, len(curve) + 1), curve, STYLES[name][1], color=STYLES[name][0], label=label)
axes.set(xlabel="epoch", ylabel="validation Dice, per image", ylim=(0, 1))
axes.grid(alpha=0.3)
axes.legend(frameon=False, loc="lower right")
ends = {name: [curves[name, seed][-1] for seed in SEEDS] for name in candidates}
told = "; ".join(f"{name} ends at {min(end):.2f} to {max(end):.2f}" for name, end in ends.items())
show(figure, f"Nine learning curves over six epochs, three for each loss, much entangled: {told}.")

# %% tags=["skip-grading"]
dice = {key: dice_of(masks, true_masks[key[2]]) for key, masks in predicted.items()}


def range_of(values):
    """Largest minus smallest."""
    return max(values) - min(values)


for group, truth in true_masks.items():
    print(f"{len(truth)} {group} lesions, starts {', '.join(map(str, SEEDS))}")
    means = {}
    for name in candidates:
        means[name] = [dice[name, seed, group].mean().item() for seed in SEEDS]
        nothing = [int((predicted[name, seed, group].sum(dim=(1, 2)) == 0).sum()) for seed in SEEDS]
        accuracy = [(predicted[name, seed, group] == truth).double().mean().item() for seed in SEEDS]
        print(
            f"    {name:14} Dice {'  '.join(f'{one:.3f}' for one in means[name])}   nothing found in {nothing}   "
            f"pixel accuracy {'  '.join(f'{one:.3f}' for one in accuracy)}"
        )
    by_loss = range_of([sum(values) / len(values) for values in means.values()])
    by_start = sum(range_of(values) for values in means.values()) / len(means)
    winners = [max(zip(of_start, means, strict=True))[1] for of_start in zip(*means.values(), strict=True)]
    print(f"    best with each start: {', '.join(winners)}")
    print(f"    from loss to loss (mean of the starts): {by_loss:.3f}; from start to start: {by_start:.3f}")
    question = f"What moves the Dice of {group} lesions more: which loss you choose, or which start you draw?"
    reveal("the loss" if by_loss > by_start else "the start", question=question)

# %% tags=["skip-grading"]
ranked = torch.stack([dice[name, SEEDS[0], "tiny"] for name in candidates]).mean(dim=0).argsort().tolist()
chosen = [ranked[len(ranked) * part // 8] for part in (7, 5, 3)]  # a good case, a middling one, a bad one
figure = Figure(figsize=(9.2, 5.9), layout="constrained")
for i, panels in zip(chosen, figure.subplots(len(chosen), 2 + len(candidates)), strict=True):
    sample = groups["tiny"][i]
    guesses = {f"{name}, Dice {dice[name, SEEDS[0], 'tiny'][i]:.2f}": name for name in candidates}
    pictures = {"picture": overlay(sample.image, sample.mask, lesions.palette, alpha=0)}
    pictures["truth"] = overlay(sample.image, sample.mask, lesions.palette)
    for title, name in guesses.items():
        pictures[title] = overlay(sample.image, predicted[name, SEEDS[0], "tiny"][i], lesions.palette)
    for axes, (title, picture) in zip(panels, pictures.items(), strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
told = "; ".join(
    f"lesion {row}: " + ", ".join(f"{name} {dice[name, SEEDS[0], 'tiny'][i]:.2f}" for name in candidates)
    for row, i in enumerate(chosen, start=1)
)
show(figure, f"Three tiny lesions, their true masks and those of the three losses; Dice of {told}.")

# %% [markdown]
# When this was written: **the start, both times.** From loss to loss the mean Dice moved by 0.035 on ordinary
# lesions and by 0.064 on tiny ones, from start to start by 0.055 and 0.095; and in both groups *each start
# crowned another loss*. Whoever trains each loss once can publish any of three results. (Your digits will
# differ: even the number of processor threads changes the order in which numbers are added, and that is luck
# enough.) So short a training exaggerates chance. But a claim that one loss beats another needs several
# starts of each, and their spread, before anybody should believe it.
#
# Look at the last columns, too: pixel accuracy is *higher* on the tiny lesions, 0.96 to 0.99, than on the
# ordinary ones, 0.89 to 0.93, while the Dice falls from 0.8 to 0.5. Section 2 again.
#
# So does the loss not matter? All three of these hear every class. Section 6 had one that does not: all
# pixels and classes in one sum, which is one minus the mean probability of the right class. It gets the same
# three starts. Count the tiny lesions on which a network finds nothing at all.

# %%
predict(
    "On tiny lesions, does the loss in one sum leave more without a pixel than each of the three others?",
    ["with every start", "with some starts", "with none"],
)

# %% tags=["skip-grading"]


def all_in_one_sum(logits, target):
    """One minus the mean probability of the true class."""
    return 1 - logits.softmax(dim=1).gather(1, target.unsqueeze(1)).mean()


train_from_each_start("all in one sum", all_in_one_sum)
missed = {
    name: [int((predicted[name, seed, "tiny"].sum(dim=(1, 2)) == 0).sum()) for seed in SEEDS]
    for name in [*candidates, "all in one sum"]
}
for name, counts in missed.items():
    print(f"{name:14} tiny lesions without a pixel: {counts}")
deaf = missed.pop("all in one sum")
worse = sum(count > max(others) for count, *others in zip(deaf, *missed.values(), strict=True))
reveal("with every start" if worse == len(SEEDS) else "with some starts" if worse else "with none")

# %% [markdown]
# When this was written: **with every start**, 14 to 16 of fifty; though by little where soft Dice did badly,
# too. This is how to read such a table: a difference that has a reason, was predicted before the run, and
# comes back with each start, is worth more than a better mean.

# %% [markdown]
# ### A mask is a decision
#
# The networks give probabilities; a threshold makes the mask. A common slip: somebody's network gives one
# number for each pixel, a logit, and the code says `mask = logits > 0.5`.

# %%
predict("Which probability of lesion does logits > 0.5 ask for?", ["0.500", "0.562", "0.622", "0.731"])

# %%
asked = torch.tensor(0.5).sigmoid().item()
print(
    f"sigmoid(0.5) = {asked:.3f}; a logit is compared with 0, sigmoid(0) = {torch.tensor(0.0).sigmoid():.3f}"
)
reveal(f"{asked:.3f}")

# %% [markdown]
# **0.622**: every pixel between 0.5 and 0.622 changes sides, and no error message says so. Move the slider
# below from 0.50 to 0.62 and further, and watch the outline shrink. It need not even lower the score: a
# network that draws too wide gains by the slip, until somebody repairs it. Which threshold is best is a
# question for the validation set, never for the test set.

# %% tags=["skip-grading"]
one = groups["ordinary"][int(dice["focal", SEEDS[0], "ordinary"].argsort()[60])]  # its Dice is the median
probability = segmenters["focal", SEEDS[0]].probabilities(one.image)[1]
at_half, at_slip = (segcourse.dice_score((probability > t).long(), one.mask).item() for t in (0.5, asked))
print(f"Dice at p > 0.5: {at_half:.3f}; at p > {asked:.3f}: {at_slip:.3f}")
threshold_explorer(one.image, probability, one.mask, palette=lesions.palette, title="focal loss")

# %% [markdown]
# ### The ladder
#
# The same 120 ordinary held-out lesions for each method, and the Dice of each single one (for the networks,
# the mean of the three starts). Otsu's threshold (1979) takes the grey value that parts the picture's
# histogram best, and calls everything darker a lesion; it has no parameters and saw no training picture.

# %% tags=["skip-grading"]


def otsu(image):
    """Everything that is darker than Otsu's threshold, H x W."""
    grey = (image.mean(dim=0) * 255).to(torch.uint8).numpy()
    return torch.as_tensor(cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)[1]).long()


by_threshold = torch.stack([otsu(sample.image) for sample in groups["ordinary"]])
rungs = {"Otsu's threshold": dice_of(by_threshold, true_masks["ordinary"])}
rungs |= {
    f"small U-Net, {name}": torch.stack([dice[name, seed, "ordinary"] for seed in SEEDS]).mean(dim=0)
    for name in candidates
}
ladder_chart(rungs)

# %% [markdown]
# From the threshold to any of the networks the median rises by about 0.2; from loss to loss there is nothing
# that a chart could show. Most networks reach the band in which two people agree. Do not conclude that they
# draw like people: these lesions are painted by code and their borders are known exactly, while people were
# asked about photographs. And look at the dots on the left: each method still has lesions that it all but
# misses, and no median tells you so.

# %% [markdown]
# ## 11. When it goes wrong
#
# Three pieces of real notebooks, each with its symptom. Read the symptom, find the line, repair it in place
# and run the cell again. Nothing here is graded.
#
# ### 11.1 "My loss is negative, and it is going down nicely"

# %%
saved_mask = small.mask * 255  # as the PNG file holds it
guess = torch.where(small.mask == 1, 0.7, 0.02)  # a fair prediction: probabilities of lesion
loss = 1 - 2 * (guess * saved_mask).sum() / (guess.sum() + saved_mask.sum())
print(f"Dice loss {loss:.3f} (it should lie between 0 and 1)")

# %% [markdown]
# <details><summary>Where to look</summary>
# What does the formula take the target's values for, and which values does this one have? A network trained
# so is rewarded for every pixel it calls lesion. Print <code>target.unique()</code> before the first epoch of
# anything.
# </details>
#
# ### 11.2 "IoU above 1: our best result ever"
#
# The prediction is perfect, so that the IoU should be 1.000.

# %%
logits = torch.stack([sample.mask for sample in patients]).float().unsqueeze(1) * 4 - 2  # N, 1, H, W
masks_of_batch = torch.stack([sample.mask for sample in patients])  # N, H, W

guess = logits > 0
intersection = (guess * masks_of_batch).sum()
union = guess.sum() + masks_of_batch.sum() - intersection
print(f"IoU {intersection / union:.3f} (it should lie between 0 and 1)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Print <code>(guess * masks_of_batch).shape</code>. Broadcasting lines shapes up from the right:
# N x 1 x H x W times N x H x W pairs every prediction with <em>every</em> mask. The course's functions refuse
# two shapes for this reason.
# </details>
#
# ### 11.3 "Dice is stuck"
#
# Ten steps, and the loss has not moved in any digit.

# %%
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3, padding=1)
)
optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
picture, target = samples[0].image[None], samples[0].mask[None]
truth = F.one_hot(target, 2).movedim(-1, 1).float()  # 1, 2, H, W
history = []
for _step in range(10):
    p = network(picture).softmax(dim=0)
    dice_of_class = 2 * (p * truth).sum(dim=(0, 2, 3)) / (p.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3)))
    loss = 1 - dice_of_class.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(round(loss.item(), 4))
print(history)

# %% [markdown]
# <details><summary>Where to look</summary>
# Which axis do the probabilities add up to 1 over? In a batch of one, what does that make them? With a larger
# batch the same slip is worse: the loss moves, and each picture's probabilities depend on its neighbours in
# the batch.
# </details>

# %% [markdown]
# ## 12. In five lines
#
# 1. Count before you sum: the confusion matrix keeps the two kinds of mistake, and every class, apart.
# 2. "mIoU" and "Dice" are families of numbers; say whether images or pixels are averaged, and what 0/0
#    becomes.
# 3. With all classes in one sum, Dice loss and IoU turn into pixel accuracy, and rare classes vanish.
# 4. Scores answer 0/0 with NaN; losses must not: a batch without labels changes nothing, and the denominator
#    counts labelled pixels once.
# 5. Between losses that hear every class, chance can weigh more than the choice. Compare several starts, on
#    the cases that you care about, beside a plain threshold.
#
# **Read on.** Long, Shelhamer and Darrell 2015, *Fully convolutional networks* (arXiv 1411.4038): section 5
# defines pixel accuracy, mean IU and their relatives. Milletari et al. 2016, *V-Net* (arXiv 1606.04797):
# section 3, where the Dice loss comes from. Lin et al. 2017, *Focal loss* (arXiv 1708.02002): section 3.
# Salehi et al. 2017, *Tversky loss* (arXiv 1706.05721): section 2.2, for weighing misses against false
# alarms; `segcourse.tversky_loss` has it. Codella et al. 2019, *ISIC 2018* (arXiv 1902.03368), for the
# threshold Jaccard. Reinke et al. 2021, *Common limitations of image processing metrics* (arXiv 2104.05642),
# a picture book of this lesson.
