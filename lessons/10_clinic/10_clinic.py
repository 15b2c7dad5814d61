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
# # Lesson 10 · The clinic: ten broken pipelines
#
# A segmentation program rarely stops with an error when it is wrong. It runs, and its result is strange: a black mask, a negative
# loss, a score of 2.3 out of 1. In this lesson you get ten such programs, the *patients*. Each one has a real symptom. You guess
# the cause, look at an experiment that decides, and then repair the code.
#
# The lesson has two sittings. **Sitting 1, masks and scores** (sections 1 to 7) takes about 55 minutes, **sitting 2, training and
# data** (sections 8 to 14) about 60 minutes. The lesson is an elective. It builds on lessons 5 and 6 and needs no answer of yours
# from earlier lessons. The cells run for about one minute on one processor core, on drawn lesions: nothing is downloaded.

# %% [markdown]
# ## What you will be able to do
#
# - find out why a mask is all black, or all white: `mask_to_save`, `loss_and_mask`
# - recognise a loss or a score that can't be, and name the mistake behind it: `read_mask`, `iou_of_batch`
# - find where ghosts come from, and repair the mean of four views: `predict_with_flips`
# - stop a loss from turning into NaN: `pixel_loss`
# - find what fills the memory, and stop it: `validation_loss`
# - make augmentation help, and check that it does: `turn_pair`
# - split files so that validation measures something: `split_names`
# - prepare pictures for a network without tearing them: `to_batch`

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
import weakref

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

import segcourse
from segcourse import check, exercises, load_dataset, show_image
from segcourse.models.light import HalfUNet
from segcourse.plotting import outline, show_curves
from segcourse.widgets import play, predict

# %%
torch.set_num_threads(1)  # so that a run can be repeated


def off_centre(lesions):
    """Return images N x 3 x 32 x 32 and masks N x 32 x 32, each pair moved by up to 9 pixels.

    What leaves a picture at one border comes in at the opposite one.
    """
    chance, pairs = np.random.default_rng(0), []
    for image, mask, _ in lesions:
        down, right = (int(n) for n in chance.integers(-9, 10, 2))
        pairs.append((image.roll((down, right), (1, 2)), mask.roll((down, right), (0, 1))))
    return [torch.stack(part) for part in zip(*pairs, strict=True)]


images, masks = off_centre(load_dataset("lesions", size=32, count=128))
new_images, new_masks = off_centre(load_dataset("lesions", "val", size=32, count=64))


# %%
def train(model, images, masks, loss, steps=40):
    """Take steps on batches of 16 images, drawn with replacement; return the loss of each step."""
    torch.manual_seed(0)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=5e-3), []
    for _ in range(steps):
        batch = torch.randint(len(images), (16,))
        value = loss(model, images[batch], masks[batch])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    model.eval()
    return losses


# %%
def network(channels=2, seed=0):
    torch.manual_seed(seed)
    return HalfUNet(3, channels, width=8, depth=3)


def dice_of(model, images, masks):
    with torch.no_grad():
        return segcourse.dice_score(model(images).argmax(dim=1), masks).nanmean().item()


# %%
segmenter = segcourse.Segmenter.load("lesions", device="cpu")  # the network that comes with the package
test = load_dataset("lesions", "test", size=128, count=16)
photos, truths = (np.stack(part) for part in zip(*[test.picture(i) for i in range(16)], strict=True))
truth = torch.from_numpy(truths).long()  # 16, 128, 128
logits = torch.stack([segmenter.logits(photo) for photo in photos])  # 16, 2, 128, 128
dice = segcourse.dice_score(logits.argmax(dim=1), truth).mean().item()
print(f"mean Dice of the course's network on {len(photos)} drawn lesions: {dice:.2f}")

# %% [markdown]
# # Sitting 1 · Masks and scores
#
# ## 1. Where this ends
#
# ![Four symptoms in a row: a black mask, a white mask, a map with two ghosts of the lesion, and a picture of coloured stripes.
# Below each one the same pipeline after its repair: two masks of lesions, one clear lesion, and the whole picture.](result.png)
#
# The upper row shows four patients of today as they come in, the lower row shows them after one or two lines were changed.
#
# Each section goes the same way. First you see the *symptom*, with a number. Then you guess the cause. Every symptom fits several
# causes, so you can't be sure; an *experiment* decides. Then you repair the code. Its cell holds the broken program itself, in a
# few lines.
#
# Resist the urge to change lines at random until the symptom is gone. A symptom can disappear without the fault. Several of
# today's wrong repairs do exactly that, and the checks know them.

# %% [markdown]
# ## 2. Patient 1: the mask is all black
#
# This pipeline saves masks as picture files. Its network has one output channel, not two. This is common. One
# number per pixel is enough for two classes, because its sigmoid is the probability of lesion.

# %% tags=["skip-grading"]
one_channel = (logits[:, 1] - logits[:, 0])[:, None]  # 16, 1, 128, 128
broken = exercises.get("mask_to_save").starter


def white(to_mask):
    saved = np.asarray(to_mask(one_channel[:3]), np.uint8)  # what a picture file holds
    panels = [panel for pair in zip(photos[:3], saved, strict=True) for panel in pair]
    alt = f"Three lesions, each beside its mask. {np.mean(saved > 127):.0%} of the masks is white."
    show_image(panels, ["image", "mask"] * 3, alt=alt)
    print(f"white pixels: {np.mean(saved > 127):.1%}")


white(broken)

# %% tags=["skip-grading"]
choices = [
    "the network finds nothing",
    "it finds lesions, but isn't sure enough",
    "the mistake comes after the network",
]
with predict("Nothing is white. What is the cause?", choices) as reveal:
    print(f"logits from {one_channel.min():.1f} to {one_channel.max():.1f}")
    sure = (one_channel.sigmoid() > 0.9).float().mean().item()
    print(f"pixels with a probability above 0.9: {sure:.1%}")
    reveal(choices[2] if sure > 0.05 else choices[0])

# %% [markdown]
# <details><summary>What does the experiment say?</summary>
#
# The network is the course's network from above. It is very sure of many pixels, so the lesions are there, and something behind
# the network loses them. This is the most useful experiment of all: look at the numbers *in the middle* of the pipeline, and you
# know in which half the fault is. Then halve again.
#
# What is left of this pipeline is one line, `argmax` over the channels. It answers "which channel is the largest?" Of one
# channel, the largest is always number 0.
# </details>

# %% [markdown]
# ### Exercise 10.1 · `mask_to_save` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Repair the step from logits to a mask. Change as little as you can.
#
# - `logits`: float tensor, N x 1 x H x W, any real numbers. There is one channel, and its sigmoid is the probability of lesion
# - returns a tensor of integers, N x H x W: 255 where the probability of lesion is above one half, and 0 elsewhere. A logit of 0 is a
#   probability of one half
#
# In every repair of this lesson you may use any function of PyTorch. An answer never changes its inputs.
#
# <details><summary>Hint 1: which question does the code ask?</summary>
# With two channels, the question is which of two numbers is larger. With one channel, the same question is whether the number is
# larger than … what?
# </details>
# <details><summary>Hint 2: my mask is right and still looks black</summary>
# Print its largest value. How bright is a 1 in a picture whose white is 255?
# </details>


# %% nbgrader={"grade": false, "grade_id": "mask_to_save", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mask_to_save(logits):
    """Return masks, integers N x H x W, 0 for skin and 255 for lesion, of logits N x 1 x H x W."""
    ids = logits.argmax(dim=1)
    return ids.byte() * 255


# %% tags=["raises-exception"]
print(mask_to_save(torch.tensor([[[[-4.0, 3.0]]]])))

# %% nbgrader={"grade": true, "grade_id": "check_mask_to_save", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("mask_to_save", mask_to_save)

# %% tags=["skip-grading"]
white(exercises.yours("mask_to_save", mask_to_save))


# %% [markdown]
# ## 3. Seven causes of an all-black mask
#
# That was one cause. A mask can turn black at every station of a pipeline: in the truth, by the balance of the classes, in the
# weights, at the argmax, at the threshold, in a conversion, and in the file. The next cells build one pipeline for each. All
# seven run without an error, on one lesion that a network outlines well after 40 steps, and all seven masks come out black. In
# four of them, this network's probabilities `p` are lost on the way to the file. In the other three pipelines, the network itself
# is bad. One of these networks learned from masks that mark only the core of large lesions, so that nearly every pixel is skin.


# %% tags=["skip-grading"]
def fit(masks):
    model = network()
    train(model, images, masks, lambda model, x, y: F.cross_entropy(model(x), y))
    return model


def probability(model):
    with torch.no_grad():
        return model(new_images[22:23]).softmax(dim=1)[0, 1].numpy()  # 32, 32, of lesion


p = probability(good := fit(masks))
score = segcourse.dice_score(torch.from_numpy(p > 0.5).long(), new_masks[22]).item()
print(f"Dice of the 40-step network on this lesion: {score:.2f}")

# %% tags=["skip-grading"]
files = 255 * masks  # masks as they are saved


def cores(masks):
    """Return the pixels that have lesion alone around them, up to 5 pixels away."""
    return F.max_pool2d(1.0 - masks[:, None], 11, stride=1, padding=5)[:, 0] == 0


no_truth, rare = fit((files == 1).long()), fit(cores(masks).long())
fresh = network(seed=18)
found = fresh.load_state_dict(
    {f"module.{name}": one for name, one in good.state_dict().items()}, strict=False
)
print(f"load_state_dict: {len(found.missing_keys)} tensors missing, {len(found.unexpected_keys)} unexpected")

# %% tags=["skip-grading"]
logit = torch.from_numpy(p).logit()[None]  # 1, 32, 32
seven = {
    "the truth": (255 * (probability(no_truth) > 0.5), f"the masks for training hold {(files == 1).sum()} lesion pixels"),
    "the balance": (255 * (probability(rare) > 0.5), f"{cores(masks).float().mean():.1%} of the pixels for training are core, and p is at most {probability(rare).max():.2f}"),
    "the weights": (255 * (probability(fresh.eval()) > 0.5), f"{len(good.state_dict())} tensors are in the file, and none has the name of a layer"),
    "the argmax": (255 * logit.argmax(dim=0).numpy(), f"argmax over {len(logit)} channel, logits up to {logit.max():.1f}"),
    "the threshold": (255 * (p > 50), f"the threshold is 50 per cent, and p is at most {p.max():.2f}"),
    "the conversion": (255 * p.astype(np.uint8), f"p is at most {p.max():.2f}, and after astype(uint8) {p.astype(np.uint8).max()}"),
    "the file": ((p > 0.5).astype(np.uint8), f"the file's largest value is {(p > 0.5).max():d}, and white is 255"),
}  # fmt: skip

# %% tags=["skip-grading"]
shown = [np.asarray(mask).astype(np.uint8) for mask, _ in seven.values()]
choices = ["the truth", "the balance", "the weights"]
question = "On this lesion, three networks stay below p = 0.5. Which network's largest p is nearest to 0.5?"
with predict(question, choices) as reveal:
    largest = [probability(model.eval()).max() for model in (no_truth, rare, fresh)]
    print(
        "largest p:", ", ".join(f"{name} {value:.2f}" for name, value in zip(choices, largest, strict=True))
    )
    print(f"core pixels of this lesion: {cores(new_masks[22:23]).sum()}")
    print(f"white pixels in the seven masks: {[int((mask > 127).sum()) for mask in shown]}")
    reveal(choices[int(np.argmax(largest))])
play(shown, list(seven), [probe for _, probe in seven.values()], name="cause")
for cause, (_, probe) in seven.items():
    print(f"{cause:14} {probe}")

# %% [markdown]
# <details><summary>What can you learn from seven equal pictures?</summary>
#
# That the picture is the wrong place to look. A symptom says where the damage comes out. Each cause shows itself in one *number*,
# at its own station, and the slider above plays these numbers. Walk the stations in order, from the truth to the file, and print
# one number at each:
#
# 1. how many lesion pixels the masks for training hold
# 2. the share of each class, and the largest probability (this lesion has no core. By the masks that it learned from, this network is right)
# 3. which tensors `load_state_dict` found. Here, every name in the file begins with `module.`, as `nn.DataParallel` writes it, and
#    no name of the network does. (The 14 counters of batch norm aren't listed as missing, so the two numbers differ.) Never use
#    `strict=False` without reading what it returns
# 4. the shape of the logits, and their range
# 5. the threshold, beside the range that it cuts
# 6. the range before and after each conversion
# 7. the values in the file
#
# The weights are a special case: what an untrained network says is chance. The seed above was picked for its black mask. Of the
# seeds 0 to 24, two give an all-black mask, and five a mask that is nearly all white.
# </details>

# %% [markdown]
# ## 4. Patient 2: the mask is all white
#
# This network was trained for 40 steps, and the loss fell. Every mask is white.

# %% tags=["skip-grading"]
broken = exercises.get("loss_and_mask").starter


def all_white(loss_and_mask):
    model = nn.Sequential(network(channels=1), nn.Sigmoid())
    losses = train(model, images, masks, lambda *batch: loss_and_mask(*batch)[0])
    with torch.no_grad():
        found = loss_and_mask(model, new_images, new_masks)[1]
    alt = f"Four lesions and four masks; {found.float().mean():.0%} of all masks is white."
    show_image([*new_images[:4], *(255 * found[:4].byte()).numpy()], ["image"] * 4 + ["mask"] * 4, alt=alt)
    print(f"loss from {losses[0]:.2f} to {losses[-1]:.2f}, white pixels: {found.float().mean():.1%}")
    return model


sick = all_white(broken)

# %% tags=["skip-grading"]
choices = ["the sigmoid is applied twice", "it needs more steps", "most pixels of the truth are lesion"]
with predict("What is the cause?", choices) as reveal:
    with torch.no_grad():
        output = sick(new_images)
    print(f"lesion in the truth: {masks.float().mean():.1%} of the pixels")
    print(f"the model's output: from {output.min():.2f} to {output.max():.2f}")
    print(
        f"its sigmoid, which is compared with 0.5: from {output.sigmoid().min():.2f} to {output.sigmoid().max():.2f}"
    )
    reveal(choices[0] if output.sigmoid().min() >= 0.5 else choices[1])

# %% [markdown]
# <details><summary>Why does it train at all?</summary>
#
# The network's last layer is a sigmoid, because another program that shows probabilities needs it there. So the output is a
# probability already, from 0 to 1. The program takes its sigmoid once more, and the sigmoid of a number from 0 to 1 lies between
# one half and 0.73. So no pixel can ever fall below the threshold. The loss has the same flaw: for a pixel of skin, it can't fall
# below minus the logarithm of one half, the loss of a coin. It still pushes the output towards 0 for skin and towards 1 for lesion,
# which is why it falls. More steps change nothing: the second sigmoid never gets below one half.
#
# A sigmoid in the model and a loss "with logits" are each right alone. Choose one place for the sigmoid, and use it in training
# *and* in prediction.
# </details>

# %% [markdown]
# ### Exercise 10.2 · `loss_and_mask` · difficulty 2 of 3 · 5 minutes · 2 points
#
# Repair the function that training and prediction share. The model stays as it is.
#
# - `model`: N x 3 x H x W to N x 1 x H x W. Its last layer is a sigmoid, and you can't change it
# - `images`: float tensor, N x 3 x H x W; `masks`: int64 tensor, N x H x W, 0 for skin and 1 for lesion
# - returns a tuple (loss, masks). The loss is the mean binary cross-entropy of all pixels, a scalar tensor whose gradient reaches
#   the model. The masks are the predicted ones, bool N x H x W, true where the probability of lesion is above one half
#
# <details><summary>Hint 1: two places</summary>
# The second sigmoid is written out in one line and hidden in a function's name in another.
# </details>
# <details><summary>Hint 2: is there such a loss?</summary>
# <code>torch.nn.functional</code> has binary cross-entropy in two forms. One takes logits, the other one takes probabilities.
# </details>


# %% nbgrader={"grade": false, "grade_id": "loss_and_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss_and_mask(model, images, masks):
    """Return a batch's loss and its predicted masks, bool N x H x W; the model ends in a sigmoid."""
    output = model(images)[:, 0]  # N, H, W
    loss = F.binary_cross_entropy_with_logits(output, masks.float())
    return loss, output.sigmoid() > 0.5


# %% tags=["raises-exception"]
first = nn.Sequential(nn.Conv2d(3, 1, kernel_size=1), nn.Sigmoid())
with torch.no_grad():
    first[0].weight.copy_(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))
    first[0].bias.zero_()  # the sigmoid of the first channel
pixels = torch.tensor([-2.0, 2.0]).expand(1, 3, 1, 2)
print(loss_and_mask(first, pixels, torch.tensor([[[0, 1]]])))  # repaired: 0.1269, [[[False, True]]]

# %% nbgrader={"grade": true, "grade_id": "check_loss_and_mask", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("loss_and_mask", loss_and_mask)

# %% tags=["skip-grading"]
recovered = all_white(exercises.yours("loss_and_mask", loss_and_mask))


# %% [markdown]
# ## 5. Patient 3: the loss is negative
#
# Cross-entropy is minus the logarithm of a probability, and can't be negative. This one is, after a few steps, and it keeps
# falling. The masks came by e-mail, as JPEG files.


# %% tags=["skip-grading"]
def jpeg(mask):
    file = io.BytesIO()
    Image.fromarray(255 * mask.byte().numpy()).save(file, "jpeg", quality=80)
    return np.array(Image.open(file))


mask_files = [jpeg(mask) for mask in masks]  # uint8, 32 x 32 each


def negative(read_mask, title):
    targets, model = torch.stack([read_mask(file) for file in mask_files]), network(channels=1)
    losses = train(model, images, targets, lambda m, x, y: F.binary_cross_entropy_with_logits(m(x), y))
    show_curves({title: losses}, xlabel="step", ylabel="binary cross-entropy")
    print(f"loss from {losses[0]:.2f} to {losses[-1]:.2f}")


negative(exercises.get("read_mask").starter, "as it came in")

# %% tags=["skip-grading"]
choices = ["the learning rate is too high", "the masks don't hold 0 and 1", "the loss has the wrong sign"]
with predict("What is the cause?", choices) as reveal:
    zero, one = torch.zeros(1), torch.ones(1)
    print(f"the loss of logit 3 for target 0 and 1: {F.binary_cross_entropy_with_logits(3 + zero, zero):.2f} "
          f"and {F.binary_cross_entropy_with_logits(3 + zero, one):.2f}")  # fmt: skip
    values = np.unique(np.stack(mask_files))
    print(f"the masks hold {len(values)} different values: {values[:6]} … {values[-6:]}")
    reveal(choices[1] if values.max() > 1 else choices[2])

# %% [markdown]
# <details><summary>How does a mask make a loss negative?</summary>
#
# For a target t and a probability p, the loss is -t·log p - (1 - t)·log(1 - p). With t = 255, the factor 1 - t is -254: for such
# a pixel the second term rewards certainty without limit. So the network says "lesion" ever louder, and the loss falls for ever.
# With targets from 0 to 1, no learning rate can make this loss negative.
#
# The file has a second surprise. It was saved with 0 and 255, and compression turned the two values into many.
# </details>

# %% [markdown]
# ### Exercise 10.3 · `read_mask` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Repair the reading of a mask.
#
# - `pixels`: a uint8 array H x W from a file. Skin was 0 and lesion 255. Some files were saved as JPEG, which changes values: 128
#   and above means lesion, below 128 means skin
# - returns a float32 tensor 1 x H x W that holds 0 and 1 only
# - a mask may show no lesion, or nothing but lesion
#
# <details><summary>Hint 1: scale or decide?</summary>
# A mask is a decision per pixel. Scaling keeps everything between the two values; a comparison doesn't.
# </details>
# <details><summary>Hint 2: type</summary>
# A comparison gives bool, and the loss wants floating-point numbers.
# </details>


# %% nbgrader={"grade": false, "grade_id": "read_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def read_mask(pixels):
    """Return the mask in a file, uint8 H x W, as a float tensor 1 x H x W: 0 for skin, 1 for lesion."""
    return torch.from_numpy(pixels).float()[None]  # 1, H, W


# %% tags=["raises-exception"]
print(read_mask(np.array([[3, 250]], np.uint8)))

# %% nbgrader={"grade": true, "grade_id": "check_read_mask", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("read_mask", read_mask)

# %% tags=["skip-grading"]
negative(exercises.yours("read_mask", read_mask), "after the repair")

# %% [markdown]
# ## 6. Patient 4: the IoU is above 1
#
# An intersection is a part of the union, so the IoU lies between 0 and 1. This function is right for one image. For two images it
# says more than 1, for four it is below 0. All predictions are those of the course's network.

# %% tags=["skip-grading"]
predictions, sizes = logits.argmax(dim=1, keepdim=True), [1, 2, 4, 8, 16]  # 16, 1, 128, 128


def scores(iou_of_batch, title):
    found = [iou_of_batch(predictions[:n], truth[:n]).item() for n in sizes]
    show_curves({title: found}, sizes, xlabel="images in the batch", ylabel="IoU")
    print("IoU:", ", ".join(f"{iou:.2f} of {n} image(s)" for n, iou in zip(sizes, found, strict=True)))


scores(exercises.get("iou_of_batch").starter, "as it came in")

# %% tags=["skip-grading"]
choices = [
    "the sums overflow",
    "more pixels are compared than there are",
    "the masks hold 255",
]
with predict("What is the cause?", choices) as reveal:
    print(
        f"largest values: {predictions.max()} and {truth.max()}; the type of the sums is {predictions.sum().dtype}"
    )
    product = predictions[:4] * truth[:4]
    print(
        f"prediction {tuple(predictions[:4].shape)} times target {tuple(truth[:4].shape)}: {tuple(product.shape)}"
    )
    print(f"pixels of four images: {truth[:4].numel()}, of the product: {product.numel()}")
    reveal(choices[1] if product.numel() > truth[:4].numel() else choices[0])

# %% [markdown]
# <details><summary>Where do the additional pixels come from?</summary>
#
# PyTorch lines shapes up from the right, and stretches an axis of length 1. The 1 is the channel of the prediction, and it meets
# the N of the target: every prediction is multiplied with every target. The intersection is summed over N x N pairs, the two areas
# only over N images. No error is raised, because every step is allowed.
#
# With one image, N x N is 1. That is why a test with one image passes.
# </details>

# %% [markdown]
# ### Exercise 10.4 · `iou_of_batch` · difficulty 2 of 3 · 5 minutes · 2 points
#
# Repair the score.
#
# - `prediction`: int64 tensor, N x 1 x H x W, class ids that still have their channel axis; `target`: int64 tensor, N x H x W. Both
#   hold 0 and 1
# - any N, H and W, also N = 1 and N = H
# - returns a scalar tensor: the IoU of lesion, from the pixels of all N images together. At least one pixel is lesion
#
# <details><summary>Hint 1: shapes</summary>
# Print the shape of the product. Which shape should it have?
# </details>
# <details><summary>Hint 2: which axis?</summary>
# Indexing an axis removes it: <code>x[:, 0]</code>. Indexing with None adds one.
# </details>


# %% nbgrader={"grade": false, "grade_id": "iou_of_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iou_of_batch(prediction, target):
    """Return the IoU of all pixels of a batch, a scalar tensor: N x 1 x H x W against N x H x W."""
    intersection = (prediction * target).sum()
    union = prediction.sum() + target.sum() - intersection
    return intersection / union


# %% tags=["raises-exception"]
two = torch.tensor([[[1, 0]], [[1, 0]]])  # 2, 1, 2: two images of 1 x 2
print(iou_of_batch(two[:, None], two))  # equal masks

# %% nbgrader={"grade": true, "grade_id": "check_iou_of_batch", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("iou_of_batch", iou_of_batch)

# %% tags=["skip-grading"]
scores(exercises.yours("iou_of_batch", iou_of_batch), "after the repair")

# %% [markdown]
# ## 7. Patient 5: the lesions have ghosts
#
# A recipe says: predict the image and its mirror images, and take the mean. That gains a little, for four times the work. Here it
# costs a lot. The lesions are moved away from the centre; what leaves the picture at one border comes in at the opposite one.

# %% tags=["skip-grading"]
mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (segmenter.mean, segmenter.std))
moved = ((torch.from_numpy(photos).permute(0, 3, 1, 2) / 255 - mean) / std).roll((20, -16), (2, 3))
moved_truth = truth.roll((20, -16), (1, 2))


@torch.inference_mode()
def blurry(predict_with_flips):
    found = predict_with_flips(segmenter.model, moved)
    alone, score = (
        segcourse.dice_score(one.argmax(dim=1), moved_truth).mean() for one in (segmenter.model(moved), found)
    )
    p = found.softmax(dim=1)[:, 1].numpy()
    alt = "The probability of lesion as grey values, and the true masks below."
    show_image([*p[:4], *moved_truth[:4].float().numpy()], ["p"] * 4 + ["truth"] * 4, alt=alt)
    print(f"mean Dice without flips {alone:.2f}, with flips {score:.2f}")
    print(f"pixels with p from 0.1 to 0.9: {np.mean((p > 0.1) & (p < 0.9)):.1%}")


blurry(exercises.get("predict_with_flips").starter)

# %% tags=["skip-grading"]
choices = [
    "the four maps don't fit on each other",
    "the network can't read mirrored lesions",
    "a mean of four always blurs",
]
with predict("What is the cause?", choices) as reveal, torch.inference_mode():
    for axis, way in ((-1, "left to right"), (-2, "top to bottom")):
        found = segmenter.model(moved.flip(axis)).argmax(dim=1)
        against = [
            segcourse.dice_score(found, one).mean().item() for one in (moved_truth, moved_truth.flip(axis))
        ]
        print(f"{way}: Dice {against[0]:.2f} with the truth, {against[1]:.2f} with the flipped truth")
    reveal(choices[0] if against[1] > 0.8 > against[0] else choices[1])

# %% [markdown]
# <details><summary>Where do the ghosts come from?</summary>
#
# The network reads mirrored images as well as others: with the truth mirrored too, the score is as high as before. But its answer
# to a mirrored image is a mirrored map. So the four maps vote on different places. Where only one of them sees lesion, the other
# three usually outvote it, and the lesion disappears. Where two or more overlap, a ghost remains. So the ghosts lie symmetrically
# around the centre, and often beside the lesion.
# </details>

# %% [markdown]
# ### Exercise 10.5 · `predict_with_flips` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Repair the prediction with flips.
#
# - `model`: N x 3 x H x W to logits N x C x H x W; `images`: float tensor N x 3 x H x W, square or not
# - uses four views: the images as they are, flipped from left to right, flipped from top to bottom, and flipped both ways
# - returns the mean of the four views' logits, N x C x H x W. Before the mean, the logits of each flipped view are flipped back
#
# <details><summary>Hint 1: there and back</summary>
# What was done to the images has to be undone. Which operation undoes a flip?
# </details>
# <details><summary>Hint 2: where?</summary>
# Each view has its own flip. After the mean it is too late.
# </details>


# %% nbgrader={"grade": false, "grade_id": "predict_with_flips", "locked": false, "schema_version": 3, "solution": true, "task": false}
def predict_with_flips(model, images):
    """Return the mean logits N x C x H x W of four views: unchanged, left to right, top to bottom, both."""
    total = 0
    for axes in [(), (-1,), (-2,), (-2, -1)]:
        total = total + model(images.flip(axes))
    return total / 4


# %% tags=["raises-exception"]
corner = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
print(predict_with_flips(lambda x: x, corner))  # a model that changes nothing

# %% nbgrader={"grade": true, "grade_id": "check_predict_with_flips", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("predict_with_flips", predict_with_flips)

# %% tags=["skip-grading"]
blurry(exercises.yours("predict_with_flips", predict_with_flips))


# %% [markdown]
# # Sitting 2 · Training and data
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 8. Patient 6: NaN after an hour
#
# Training ran well all the evening. In the morning the loss was NaN, and so was every weight. You can't wait an hour for each
# experiment. So the pipeline below is small, and the bad batch comes in step 41 of 60.


# %% tags=["skip-grading"]
def training_at_night(pixel_loss):
    """Return the loss and the largest logit of each of 60 steps."""
    torch.manual_seed(0)
    model, numbers = nn.Conv2d(3, 2, kernel_size=1), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(1, 61):
        part = torch.arange(16) + step % 8 * 16
        scores = model(images[part] * (65535 if step == 41 else 1))
        value = pixel_loss(scores, masks[part])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        numbers.append((value.item(), scores.max().item()))
    return np.array(numbers).T


# %% tags=["skip-grading"]
def show_night(losses, title):
    height = np.log10(losses)
    top = np.where(np.isnan(losses), np.nanmax(height) + 1, np.nan)
    curves = {title: height, "NaN (drawn at the top)": top}
    said = f"last loss {losses[-1]:.2f}; steps with NaN: {np.isnan(losses).sum()}"
    show_curves(curves, xlabel="step", ylabel="log10 of the loss", alt=f"The loss of 60 steps; {said}.")
    print(said)


# %% tags=["skip-grading"]
broken = exercises.get("pixel_loss").starter
losses, largest = training_at_night(broken)
show_night(losses, "as it came in")
choices = ["the learning rate is too high", "the bad batch holds NaN", "the loss can't take large logits"]
with predict("What is the cause?", choices) as reveal:
    print(f"the bad batch: finite values up to {(images[16:32] * 65535).max():.0f}")
    print(f"largest logit in step 40: {largest[39]:.1f}, in step 41: {largest[40]:.0f}")
    for size in (1.0, 50.0, 88.0, 89.0, 200.0):
        value = broken(torch.tensor([[[[size]], [[0.0]]]]), torch.tensor([[[0]]]))
        print(
            f"logits {size:.0f} and 0: exp gives {torch.tensor(size).exp():.2g}, the loss is {value.abs():.2g}"
        )
    reveal(choices[2] if value.isnan() else choices[0])

# %% [markdown]
# <details><summary>Why does one batch kill all weights?</summary>
#
# The largest number in float32 has 39 digits, and exp(89) is beyond it: infinity. Infinity divided by infinity is NaN. A weight's
# gradient is a sum over all pixels, so one NaN among them makes it NaN, and the next step writes NaN into every weight. From then
# on no batch is right.
#
# The loss has to be right for such logits too. In a softmax, you may subtract the same number from all logits of a pixel, and
# nothing changes. Subtract the largest one, and no exponential is larger than 1. That is only half of the repair: a small
# probability still becomes 0, and its logarithm infinite. So don't divide: log p is the shifted logit minus the logarithm of the
# sum of the exponentials. PyTorch's functions that work with *log*-probabilities do this inside.
#
# The bad batch is another fault: its 16-bit files weren't divided by 65,535. No loss undoes that. Its gradient is huge but
# finite, and Adam divides by the root of a running mean of squared gradients, so its steps shrink to almost nothing for thousands
# of steps. A check of each image's smallest and largest value before training would find the files, and a limit for the
# gradient's norm (*gradient clipping*) keeps one batch from ruling all others.
# </details>

# %% [markdown]
# ### Exercise 10.6 · `pixel_loss` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Repair the loss.
#
# - `logits`: float tensor N x C x H x W, numbers of any sign, up to a million in size; `target`: int64 tensor N x H x W, class ids 0
#   to C - 1
# - returns the mean cross-entropy per pixel, a scalar tensor, which is finite and right for all of these logits. So is its
#   gradient
#
# <details><summary>Hint 1: a patch isn't enough</summary>
# A small number inside the logarithm comes too late, and a limit for the logits takes their gradient away. Don't compute the
# probability at all: the loss needs only its logarithm.
# </details>
# <details><summary>Hint 2: its name</summary>
# <code>torch.Tensor</code> has a method for the logarithm of a softmax.
# </details>


# %% nbgrader={"grade": false, "grade_id": "pixel_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pixel_loss(logits, target):
    """Return the mean cross-entropy per pixel, a scalar tensor: logits N x C x H x W, class ids N x H x W."""
    p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)  # N, C, H, W
    return -p.gather(1, target[:, None]).log().mean()


# %% tags=["raises-exception"]
print(pixel_loss(torch.tensor([[[[200.0]], [[0.0]]]]), torch.tensor([[[0]]])))

# %% nbgrader={"grade": true, "grade_id": "check_pixel_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("pixel_loss", pixel_loss)

# %% tags=["skip-grading"]
show_night(training_at_night(exercises.yours("pixel_loss", pixel_loss))[0], "after the repair")

# %% [markdown]
# ## 9. Patient 7: out of memory
#
# An epoch is a few hundred batches of training and a few hundred of validation, all of one size. Before the first epoch ends, the
# GPU's memory is full. We don't have to fill the machine to see why: PyTorch lets us count the bytes that it saves for a backward
# pass, and when it lets them go.

# %% tags=["skip-grading"]
boxes = weakref.WeakSet()  # forgets what nothing else holds


class Saved:
    """A box around a map that PyTorch saves for a backward pass."""

    def __init__(self, tensor):
        self.tensor = tensor.detach()
        boxes.add(self)


# %% tags=["skip-grading"]
def saved_bytes(work):
    """Run `work(model, batches)`; return the megabytes of maps that are saved before each batch."""
    counts, model = [], network().eval()
    weights = {parameter.data_ptr() for parameter in model.parameters()}  # in memory anyway

    def batches():
        for pair in zip(images.split(16), masks.split(16), strict=True):
            maps = {box.tensor.data_ptr(): box.tensor.nbytes for box in boxes}  # a map can be saved twice
            counts.append(sum(size for place, size in maps.items() if place not in weights) / 1e6)
            yield pair

    boxes.clear()
    with torch.autograd.graph.saved_tensors_hooks(Saved, lambda box: box.tensor):
        work(model, batches())
    return counts


# %% tags=["skip-grading"]
def training(model, batches):
    losses = []
    for images, masks in batches:
        losses.append(F.cross_entropy(model(images), masks))
        losses[-1].backward()


broken = exercises.get("validation_loss").starter
choices = ["training", "validation", "both alike"]
with predict("Both loops keep every loss in a list. Which one fills the memory?", choices) as reveal:
    curves = {"training": saved_bytes(training), "validation": saved_bytes(broken)}
    show_curves(curves, xlabel="batch", ylabel="saved before the batch (MB)")
    print(", ".join(f"{name}: {values[-1]:.0f} MB before the last batch" for name, values in curves.items()))
    reveal(max(choices[:2], key=lambda name: curves[name][-1]))

# %% [markdown]
# <details><summary>Why validation?</summary>
#
# A loss that you compute remembers how it was computed: all maps of the network that a backward pass would need. In training,
# `backward` uses these maps and lets them go. Validation has no backward pass. Its losses wait in the list, and each one holds
# all maps of its batch.
#
# A `del` of one loss or an emptied cache doesn't help: the list still holds the losses. In training, the same list is harmless,
# because `backward` has freed the maps. The same leak happens in training if you keep a score as a tensor, such as a Dice, and
# never call `backward` on it.
# </details>

# %% [markdown]
# ### Exercise 10.7 · `validation_loss` · difficulty 2 of 3 · 10 minutes · 3 points
#
# Repair the validation.
#
# - `model`: a network in eval mode; leave it in eval mode
# - `batches`: an iterable of pairs (images, masks), all of one shape, for a single `for` loop. It has no length. The pairs come one
#   after the other; all at once they don't fit in memory
# - returns the mean of the batches' losses (cross-entropy), a float
# - while it runs, memory doesn't grow with the number of batches: only the latest batch's maps may stay in memory
# - afterwards the training continues as before: each `parameter.grad` is None as it was, all parameters still require gradients, and
#   recording is switched on
#
# <details><summary>Hint 1: don't record</summary>
# PyTorch records nothing inside of <code>with torch.no_grad():</code>. What has to be inside?
# </details>
# <details><summary>Hint 2: or keep less</summary>
# A number holds no maps: <code>.item()</code> turns a loss into one.
# </details>


# %% nbgrader={"grade": false, "grade_id": "validation_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def validation_loss(model, batches):
    """Return the mean loss of the batches (images, masks), a float."""
    losses = []
    for images, masks in batches:
        losses.append(F.cross_entropy(model(images), masks))
    return torch.stack(losses).mean().item()


# %% tags=["raises-exception"]
tiny = nn.Conv2d(3, 2, kernel_size=1, bias=False).eval()
batch = torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2).long()
print(validation_loss(tiny, [batch, batch]))  # 0.6931, the logarithm of 2: both logits are 0

# %% nbgrader={"grade": true, "grade_id": "check_validation_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("validation_loss", validation_loss)

# %% tags=["skip-grading"]
mended = saved_bytes(exercises.yours("validation_loss", validation_loss))
print(
    f"saved before the last batch: {mended[-1]:.0f} MB (the maps of one batch: {curves['validation'][1]:.0f} MB)"
)


# %% [markdown]
# ## 10. Patient 8: better without augmentation
#
# Twelve images are few. Turning and mirroring them should help, and here it harms. The next cell trains the same network twice,
# without and with augmentation, and tests it on 64 new lesions. (It takes about ten seconds.)


# %% tags=["skip-grading"]
def dice_with(turn_pair=None):
    chance = np.random.default_rng(1)

    def loss(model, x, y):
        if turn_pair:
            pairs = [
                turn_pair(*p, int(chance.integers(4)), chance.random() < 0.5) for p in zip(x, y, strict=True)
            ]
            x, y = (torch.stack(part) for part in zip(*pairs, strict=True))
        return F.cross_entropy(model(x), y)

    model = network()
    train(model, images[:12], masks[:12], loss, steps=160)
    return dice_of(model, new_images, new_masks)


broken = exercises.get("turn_pair").starter
without, harmed = dice_with(), dice_with(broken)
print(f"Dice without augmentation {without:.2f}, with augmentation {harmed:.2f}")

# %% tags=["skip-grading"]
choices = [
    "lesions must not be turned",
    "image and mask go separate ways",
    "the augmentation is too strong",
    "too few steps",
]
with predict("What is the cause?", choices) as reveal:
    ways = [(turns, mirrored) for mirrored in (False, True) for turns in range(4)]
    pairs = [broken(new_images[5], new_masks[5], *way) for way in ways]
    titles = [f"{turns} turn(s){', mirrored' * mirrored}" for turns, mirrored in ways]
    alt = "One lesion turned and mirrored in eight ways, with the outline of its mask."
    show_image([outline(*pair) for pair in pairs], titles, alt=alt)
    inside = [image.mean(dim=0)[mask == 1].mean().item() for image, mask in pairs]
    print("brightness under the mask:", ", ".join(f"{value:.2f}" for value in inside))
    reveal(choices[1] if max(inside) - min(inside) > 0.01 else choices[2])

# %% [markdown]
# <details><summary>Why only the mirrored ones?</summary>
#
# An image has three axes, channels, rows and columns. A mask has two, rows and columns. Axis 1, counted from the front, is the
# rows of an image and the *columns* of a mask. So the image was flipped from top to bottom, and its mask from left to right. Count axes
# from the end, and rows and columns have the same number in both.
#
# The experiment takes a minute, and is worth it in every project: draw the outline of the mask on eight augmented images, and
# look. A round lesion in the centre hides this mistake; a long one in a corner doesn't.
# </details>

# %% [markdown]
# ### Exercise 10.8 · `turn_pair` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Repair the augmentation.
#
# - `image`: float tensor, C x H x W; `mask`: int64 tensor, H x W; both are turned by `turns` quarter turns counterclockwise, from 0
#   to 3, as in the broken code
# - if `mirrored` is true, they are also mirrored from left to right: the order of the columns is reversed. They are first turned,
#   then mirrored
# - returns a tuple (image, mask) of the types in which they came; what happens to the image happens to the mask
#
# <details><summary>Hint 1: which axis is which?</summary>
# Write the shapes of both tensors below each other, aligned at the right.
# </details>


# %% nbgrader={"grade": false, "grade_id": "turn_pair", "locked": false, "schema_version": 3, "solution": true, "task": false}
def turn_pair(image, mask, turns, mirrored):
    """Turn an image C x H x W and its mask H x W by quarter turns; then mirror them, or not."""
    image, mask = image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
    if mirrored:
        image, mask = image.flip(1), mask.flip(1)
    return image, mask


# %% tags=["raises-exception"]
print(
    *(
        x.tolist()
        for x in turn_pair(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[1, 2], [3, 4]]), 0, True)
    )
)

# %% nbgrader={"grade": true, "grade_id": "check_turn_pair", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("turn_pair", turn_pair)

# %% tags=["skip-grading"]
repaired = dice_with(exercises.yours("turn_pair", turn_pair))
print(f"Dice without augmentation {without:.2f}, broken {harmed:.2f}, with your repair {repaired:.2f}")

# %% [markdown]
# ## 11. Patient 9: too good on validation
#
# A folder holds 180 files, and every fifth file is for validation. The method is the simplest possible: find the most similar
# training image, and return *its* mask. On validation, its Dice is far above that on new lesions.

# %% tags=["skip-grading"]
names = [f"lesion_{i:02d}{ending}.png" for i in range(60) for ending in ("", "_dark", "_noise")]
noise = 0.05 * torch.randn(60, 3, 32, 32, generator=torch.Generator().manual_seed(0))
versions = [images[:60], 0.8 * images[:60], (images[:60] + noise).clamp(0, 1)]
folder, folder_masks = torch.stack(versions, dim=1).flatten(0, 1), masks[:60].repeat_interleave(3, dim=0)


def nearest(split):
    train, val = split(names, 5)
    thumbnails = [F.avg_pool2d(x, 4).flatten(1) for x in (folder[train], folder[val], new_images)]
    for title, thumbnail, right in (
        ("validation", thumbnails[1], folder_masks[val]),
        ("new lesions", thumbnails[2], new_masks),
    ):
        most_similar = torch.cdist(thumbnail, thumbnails[0]).argmin(dim=1)
        print(f"{title}: Dice {segcourse.dice_score(folder_masks[train][most_similar], right).mean():.2f}")


nearest(exercises.get("split_names").starter)

# %% tags=["skip-grading"]
choices = [
    "the new lesions are harder",
    "validation is too small",
    "training has seen the validation lesions",
]
with predict("Why is validation so much better than new lesions?", choices) as reveal:
    train_files, val_files = exercises.get("split_names").starter(names, 5)
    lesions_of = [{names[i][:9] for i in part} for part in (train_files, val_files)]
    print("first validation files:", ", ".join(names[i] for i in val_files[:4]))
    print(f"validation: {len(val_files)} files of {len(lesions_of[1])} lesions, "
          f"{len(lesions_of[0] & lesions_of[1])} of these lesions are in training too")  # fmt: skip
    reveal(choices[2] if lesions_of[0] & lesions_of[1] else choices[0])

# %% [markdown]
# <details><summary>What does such a validation measure?</summary>
#
# Memory. To get more images, somebody had written two copies of each of 60 lesions to the folder, one darker, one with noise. For
# every validation file, a copy of the same lesion is in training, and the method usually finds it. A network with millions of
# weights can do the same, only less openly.
#
# Split *first*, then augment. If the copies are already on disk, split by lesion; if there are several photographs per patient,
# split by patient, as in lesson 6. And ask before each split: what will be new in use? That has to be new in validation. (In the
# exercise, copies go to validation with their original, so that they aren't in training. When you report a score, use only the
# originals.)
# </details>

# %% [markdown]
# ### Exercise 10.9 · `split_names` · difficulty 2 of 3 · 10 minutes · 2 points
#
# Repair the split.
#
# - `names`: file names in any order; `lesion_17.png` for an original, and `lesion_17_dark.png` or `lesion_17_flip_dark.png` for
#   its copies. Behind the number, endings such as `_dark` can follow, each an underscore and a word, before `.png`. The number has
#   any number of digits, and `lesion_1` isn't `lesion_12`
# - `every`: an integer from 2 on
# - the lesions are numbered 0, 1, 2 … in the order in which they first occur in `names`. Lesions 0, `every`, 2·`every` … are for
#   validation, with all their files. All other files are for training
# - returns a tuple of two lists of indices into `names`, (train, val). The order in a list doesn't matter
#
# <details><summary>Hint 1: one key per file</summary>
# From each name, make the name of its lesion. Then split the lesions, not the files.
# </details>
# <details><summary>Hint 2: each lesion once, in order</summary>
# <code>dict.fromkeys(keys)</code> keeps the first of each and its order.
# </details>


# %% nbgrader={"grade": false, "grade_id": "split_names", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_names(names, every):
    """Return the indices into `names` of the files for training and for validation: two lists."""
    val = list(range(0, len(names), every))
    return [i for i in range(len(names)) if i not in val], val


# %% tags=["raises-exception"]
print(split_names(["lesion_1.png", "lesion_1_dark.png", "lesion_2.png", "lesion_2_dark.png"], 2))

# %% nbgrader={"grade": true, "grade_id": "check_split_names", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("split_names", split_names)

# %% tags=["skip-grading"]
nearest(exercises.yours("split_names", split_names))

# %% [markdown]
# After the repair, both numbers are low, and they agree. That is what a good split looks like: the score fell, and now it is
# true.

# %% [markdown]
# ## 12. Patient 10: it learns, but never well
#
# The loss falls, all shapes are right, and the Dice stays low.

# %% tags=["skip-grading"]
pictures, new_pictures = (
    [(255 * image.permute(1, 2, 0)).round().byte().numpy() for image in many] for many in (images, new_images)
)


def learns(to_batch):
    model = network()
    losses = train(model, to_batch(pictures), masks, lambda m, x, y: F.cross_entropy(m(x), y))
    score = dice_of(model, to_batch(new_pictures), new_masks)
    print(f"loss from {losses[0]:.2f} to {losses[-1]:.2f}, Dice on new lesions {score:.2f}")


learns(exercises.get("to_batch").starter)

# %% tags=["skip-grading"]
choices = ["the network gets other pictures than we think", "the network is too small", "the masks are wrong"]
with predict("What is the cause?", choices) as reveal:
    torn = exercises.get("to_batch").starter(new_pictures[:2])
    print(f"shape {tuple(torn.shape)}, values from {torn.min():.2f} to {torn.max():.2f}")
    alt = "Two lesions, and what the network gets: coloured stripes."
    show_image([*new_pictures[:2], *torn], ["the file"] * 2 + ["what the network gets"] * 2, alt=alt)
    same = torn.equal(torch.from_numpy(np.stack(new_pictures[:2]).transpose(0, 3, 1, 2)) / 255)
    reveal(choices[1] if same else choices[0])

# %% [markdown]
# <details><summary>Why doesn't it fail?</summary>
#
# `reshape` keeps the numbers in their order in memory, and cuts them into new rows. In memory, the red, green and blue of a pixel
# lie side by side; the network wants a plane of red, then one of green, then one of blue. So each third of the image becomes
# another channel, and the colours of one pixel lie side by side in a row, as if they were three pixels. Only a permutation of the
# *axes* moves numbers to where they belong.
#
# The lesion is still in there somehow, so the loss falls. The experiment is the shortest of today: look at the picture that goes
# into the network, not at the one that goes into your function.
# </details>

# %% [markdown]
# ### Exercise 10.10 · `to_batch` · difficulty 1 of 3 · 5 minutes · 2 points
#
# Repair the preparation of a batch.
#
# - `images`: a list of N uint8 arrays H x W x 3, RGB, all of one size
# - returns a float32 tensor N x 3 x H x W, the values divided by 255. Its element [n, c, y, x] is channel c of the pixel in row y and
#   column x of image n
#
# <details><summary>Hint 1: reshape or permute?</summary>
# Write down the four axes that you have, and the four that you want. Which place does each one come from?
# </details>


# %% nbgrader={"grade": false, "grade_id": "to_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_batch(images):
    """Return a batch, float N x 3 x H x W from 0 to 1, of a list of uint8 arrays H x W x 3."""
    batch = torch.from_numpy(np.stack(images)).float() / 255  # N, H, W, 3
    count, height, width, channels = batch.shape
    return batch.reshape(count, channels, height, width)  # N, 3, H, W


# %% tags=["raises-exception"]
print(to_batch([np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)]) * 255)  # two pixels

# %% nbgrader={"grade": true, "grade_id": "check_to_batch", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("to_batch", to_batch)

# %% tags=["skip-grading"]
learns(exercises.yours("to_batch", to_batch))

# %% [markdown]
# ## 13. When it goes wrong
#
# Three more patients, without a check. Read the symptom, find the line, repair it in place and run the cell again.
#
# ### 13.1 "I replaced the last layer, and it doesn't learn"

# %%
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 8, kernel_size=3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, kernel_size=1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
model[2] = nn.Conv2d(8, 3, kernel_size=1)  # a third class
before = copy.deepcopy(model[2].weight.data)
for _ in range(5):
    optimizer.zero_grad()
    F.cross_entropy(model(images[:4]), masks[:4]).backward()
    optimizer.step()
print(
    f"change of the last layer: {(model[2].weight - before).abs().max():.3f} (after the repair: more than 0)"
)

# %% [markdown]
# <details><summary>Where to look</summary>
# Which tensors did the optimizer get, and when? Does it know the new layer?
# </details>
#
# ### 13.2 "I shuffled the data, and now the masks lie beside the lesions"

# %%
torch.manual_seed(0)
shuffled_images = images[torch.randperm(len(images))]
shuffled_masks = masks[torch.randperm(len(masks))]
inside = (shuffled_images.mean(dim=1) * shuffled_masks).sum() / shuffled_masks.sum()
outside = (shuffled_images.mean(dim=1) * (1 - shuffled_masks)).sum() / (1 - shuffled_masks).sum()
print(
    f"brightness inside the masks {inside:.2f}, outside {outside:.2f} (after the repair: darker inside by more than 0.1)"
)

# %% [markdown]
# <details><summary>Where to look</summary>
# How many orders are drawn here? How many should be?
# </details>
#
# ### 13.3 "Right for square pictures, scrambled for others"

# %%
photo = Image.new("RGB", (60, 40))  # PIL: 60 columns, 40 rows
mask = torch.zeros(1, 1, 20, 30)
mask[..., 5:10, 20:25] = 1
enlarged = F.interpolate(mask, size=photo.size)
print(
    f"the picture is {np.asarray(photo).shape[:2]}, its mask {tuple(enlarged.shape[2:])} (after the repair: equal)"
)

# %% [markdown]
# <details><summary>Where to look</summary>
# In which order does PIL give width and height, and in which order does PyTorch take them?
# </details>

# %% [markdown]
# ## 14. In five lines
#
# 1. A symptom says where the damage comes out, not where it was done. Seven different faults give the same black mask.
# 2. Look at the numbers in the middle of the pipeline, decide in which half the fault is, and halve again.
# 3. Print shape, type, smallest and largest value before and after each step. Five of today's ten faults show there. For the
#    others, look at the pictures, at what is kept in memory, and at what is on both sides of the split.
# 4. A number that can't be is a gift: where cross-entropy is below 0 or an IoU above 1, the fault is in the numbers that go into the
#    formula, or in the formula. A validation that is too good to be true is a reason to look, too.
# 5. A symptom that is gone isn't a repair. Clamping, skipping and `nan_to_num` can hide a fault, and keep it.
#
# | you see | look first at | then at |
# | --- | --- | --- |
# | an all-black mask | the largest probability | truth, class balance, weights, argmax, threshold, conversion, file |
# | an all-white mask | the smallest number that is compared with the threshold | where the sigmoid is, and how often |
# | a negative loss | the values in the masks | the sign |
# | a score outside 0 to 1 | the shape of the product | overflow, values of 255 |
# | ghosts, blurry edges | each view alone | flips, resized labels |
# | NaN | the first step with NaN, and its batch | exp, log, division; the file behind it |
# | memory that grows | what waits in a list | `no_grad`, `.item()`, `.detach()` |
# | augmentation that harms | outlines on eight augmented images | axes, order, interpolation of masks |
# | a validation too good to be true | what is on both sides of the split | patients, copies, tiles of one scan |
# | learning, but never well | the picture that goes into the network | reshape and permute, RGB and BGR, shuffled pairs |
#
# **Where to read on.** A. Karpathy, *A Recipe for Training Neural Networks* (2019): become one with the data, overfit one batch,
# change one thing at a time. Sculley et al., *Hidden Technical Debt in Machine Learning Systems* (NeurIPS 2015), on faults that
# no test of a function finds. PyTorch's documentation: *Broadcasting semantics*, *Autograd mechanics* (what is saved for the
# backward pass), and *Numerical accuracy*.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("10_clinic.ipynb")
