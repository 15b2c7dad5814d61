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
# # Lesson 6 · The skin-lesion project: from somebody's files to masks that count
#
# The earlier lessons gave you clean data and finished loops. A project gives you neither. Here you get 675 images with
# masks, as somebody might send them: a few masks belong to other images, every patient appears three times, and some
# images show no lesion at all. You find that out yourself, train a network with your own loop, and hand in masks of
# lesions that no student has seen. You can keep improving your score after you have all points, and your class has a
# leader board.
#
# The lesson has three sittings. **Sitting 1, data** (sections 1 to 4) and **sitting 2, training** (sections 5 to 8) take about 50
# minutes each. **Sitting 3, results** (sections 9 to 14) takes about 45 minutes. The lesson builds on lesson 5 (Dice, Jaccard)
# and needs no answer of yours from earlier lessons. The cells run for two to three minutes on two processor cores, and use a GPU
# if there is one. All images are drawn by code, so the lesson works offline.

# %% [markdown]
# ## What you will be able to do
#
# - pair images and masks so that no mask gets lost or misplaced: `LesionDataset`
# - split a data set so that no patient is on both sides: `split_by_patient`
# - flip image and mask together, by one source of chance: `augment`
# - let the learning rate rise and fall: `cosine_lr`
# - write the training loop that every project needs: `train_one_epoch`
# - measure a network without changing it: `evaluate`
# - predict masks of lesions that you haven't seen, and stand on a leader board: `predict_masks`

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
from torch.utils.data import DataLoader

import segcourse
from segcourse import check, exercises, show_image, show_results
from segcourse.course import capstone, ladder
from segcourse.devices import find_device
from segcourse.models.deeplab import ASPP
from segcourse.models.unet import initialise
from segcourse.plotting import outline, show_bars, show_curves
from segcourse.widgets import mask_viewer, play, predict

# %%
NAME = "lesions"  # or "isic2018", if `segcourse data list` says that it is on this machine
torch.set_num_threads(1)  # networks as small as ours are faster with one thread
device = find_device()  # a GPU if there is one
collection = capstone.collect(NAME)
images, masks, records = collection.images, collection.masks, collection.records
print(f"{len(images)} images, {len(masks)} masks, {len({p for _, p in records})} patients; device: {device}")

# %% [markdown]
# # Sitting 1 · Data
#
# ## 1. Where this ends
#
# ![Four lesions that the network has not seen. For each of them the true outline, and the network's outline with its Dice. The
# first two are nearly right, with Dice 0.94 and 0.90. The third misses the lower part of a lesion that the frame cuts off.
# The fourth, a pale lesion on greenish skin, is drawn far too wide, with Dice 0.60.](result.png)
#
# Four lesions that the network has not seen, and its outlines. In section 7 you train such a network, in section 11 you look
# for the images on which it fails, and in section 12 its masks are graded.
#
# With `NAME = "isic2018"` above, everything below runs on photographs of ISIC 2018. Then nothing is planted: what you
# find is really in there. The numbers in the text are those of the drawn lesions.

# %% [markdown]
# ## 2. Look before you train
#
# `images` and `masks` are dictionaries of arrays by name, as if you had read two folders. Here are the first three images,
# each with the mask that comes at the same place in the other folder.

# %%
names, mask_names = list(images), list(masks)
panels = [outline(images[names[i]], masks[mask_names[i]] >= 128) for i in range(3)]
titles = [f"{names[i][-5:]} with mask {mask_names[i][-5:]}" for i in range(3)]
show_image(panels, titles, alt="Three lesions, each with the outline of the mask at the same place.")

# %%
choices = {"none": 0, "about 10": 5, "about 100": 50, "nearly all": 400}
with predict(
    f"Pair by place: how many of the {len(names)} images get another image's mask?", choices
) as reveal:
    wrong = sum(one != other for one, other in zip(names, mask_names, strict=True))
    print(f"{wrong} of {len(names)} images")
    reveal(wrong)

# %% [markdown]
# <details><summary>Why?</summary>
#
# The two folders list their files in different orders. `zip(images, masks)` doesn't look at names, and a network trained on
# such pairs learns something: an average lesion, in the middle of the picture. So its loss falls, and nothing warns you.
# Real folders do this too, when one file is missing in one of them and all later ones move up.
# </details>
#
# Pair by *name*, and check the result with your eyes. The class that does so is the one that every PyTorch project has: a
# *data set* with a length and items. A `DataLoader` asks for nothing else.

# %% [markdown]
# ### Exercise 6.1 · `LesionDataset` · difficulty 2 of 3 · 15 minutes · 5 points
#
# Write the data set of this project.
#
# - `images`: a dict of uint8 arrays H x W x 3, RGB, by name; H and W may differ from image to image
# - `masks`: a dict of uint8 arrays H x W with the same names, in any order. In a mask 0 is skin and 255 is lesion. Masks that
#   were saved as JPEG hold values nearby: from 128 on, a pixel is lesion
# - `transform`: None, or a function that gets image and mask as tensors and returns both. The tensors are finished, float32 and
#   int64 as below. Call it once each time an item is asked for
# - `len(dataset)` is the number of images. `dataset[i]` belongs to the i-th name of `images`, for i from 0 to the length - 1.
#   Any larger i raises an IndexError, so that a `for` loop ends (a list does that for you)
# - an item is a tuple (image, mask): a float32 tensor, 3 x H x W, 0 … 1, and an int64 tensor, H x W, of 0 and 1.
#   It is made of new tensors each time, and shares no memory with the arrays
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or
# another, gets no points. You may use other functions for single steps. An answer never changes its inputs.
#
# <details><summary>Hint 1: from array to tensor</summary>
# <code>torch.from_numpy</code> makes a tensor of an array, <code>permute(2, 0, 1)</code> puts the channels first. Dividing a
# uint8 tensor by 255 gives a new float32 tensor.
# </details>
# <details><summary>Hint 2: where is the i-th name?</summary>
# Keep <code>list(images)</code> in <code>__init__</code>: a list has places, a dict has names.
# </details>


# %% nbgrader={"grade": false, "grade_id": "LesionDataset", "locked": false, "schema_version": 3, "solution": true, "task": false}
class LesionDataset:
    """Pairs of image (float32, 3 x H x W, 0 … 1) and mask (int64, H x W, 0 and 1), joined by name."""

    def __init__(self, images, masks, transform=None):
        raise NotImplementedError("Exercise 6.1")

    def __len__(self):
        raise NotImplementedError("Exercise 6.1")

    def __getitem__(self, index):
        raise NotImplementedError("Exercise 6.1")


# %% tags=["raises-exception"]
tiny = LesionDataset({"a": np.full((2, 3, 3), 51, np.uint8)}, {"a": np.eye(2, 3, dtype=np.uint8) * 255})
image, mask = tiny[0]
print(len(tiny), image.shape, image.dtype, image.max().item(), mask.tolist())

# %% nbgrader={"grade": true, "grade_id": "check_LesionDataset", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("LesionDataset", LesionDataset)


# %% [markdown]
# ### Are the names right?
#
# Now each mask belongs to its image's name. Somebody may still have saved a mask under a wrong name. You can't look
# at 675 pairs with care, but a number can choose which ones you look at. A lesion is usually darker than the skin around it.
# So compare the mean grey value in a ring around each mask with that inside.
#
# From here on, the lesson builds on your answers: `exercises.yours` takes an answer of yours if it passes its check, and until
# then the course's version. A printed line says which one it took.


# %%
def contrast(image, mask):
    """Return how much darker a mask's inside is than a ring around it, in standard deviations of the image."""
    grey, inside = image.mean(dim=0), mask == 1
    ring = (F.max_pool2d(mask[None].float(), kernel_size=9, stride=1, padding=4)[0] == 1) & ~inside
    return ((grey[ring].mean() - grey[inside].mean()) / grey.std()).item()  # NaN for an empty mask


MyDataset = exercises.yours("LesionDataset", LesionDataset)
everything = MyDataset(images, masks)
contrasts = np.array([contrast(*everything[i]) for i in range(len(everything))])
empty = [name for name, value in zip(names, contrasts, strict=True) if not (masks[name] >= 128).any()]
print(f"{len(empty)} masks are empty")

# %%
suspects = contrasts.argsort()[:24].tolist()  # NaN comes last
question = "Of the 24 pairs with the lowest contrast, how many have a mask of another image?"
with predict(question, {"none or one, as by chance": 0, "about half": 7, "all": 22}) as reveal:
    found = [names[i] in collection.swapped for i in suspects]
    panels = [outline(*everything[i]) for i in suspects[:8]]
    titles = ["wrong pair" if one else "right pair" for one in found[:8]] if collection.swapped else "?"
    show_image(panels, titles, alt="Eight images, each with the outline of the mask of its name.")
    print(f"{sum(found)} of 24; {len(collection.swapped)} of {len(names)} pairs are wrong in all")
    reveal(sum(found))

# %% [markdown]
# <details><summary>And the others?</summary>
#
# By chance, one of 24 pairs would be wrong. So a check of three lines makes the search ten times shorter. It finds about half of
# the wrong pairs. This number can't find the rest; section 11 finds more. Some right pairs are among the suspects, too: faint
# lesions, and lesions that fill the image or reach its dark corners. Throwing them out would make the data easier than the world
# is. So look at each suspect before you decide.
# </details>
#
# The second finding needs a decision as well. Empty masks may be right (an image without lesion) or mean "not outlined yet". Ask
# the people who made them. Nearly all of ours are right (three belong to other images), and they stay: a network that has never
# seen an image without lesion tends to find one in each image.

# %%
bad = {names[i] for i in suspects if names[i] in collection.swapped}  # with your own data: those that you saw
records = [record for record in records if record[0] not in bad]
print(f"{len(bad)} pairs left out, {len(records)} images stay")


# %% [markdown]
# ## 3. Who is in validation?
#
# One part of the images trains the network. Another part, *validation*, tells how good it is on images that it hasn't seen. Our
# list has two or three images of every patient. Draw 100 of the images at random for validation.


# %%
def known_patients(train, val):
    """Return the share of validation images whose patient is in training, too."""
    seen = {patient for _, patient in train}
    return np.mean([patient in seen for _, patient in val])


order = np.random.default_rng(0).permutation(len(records))
by_image = [records[i] for i in order[100:]], [records[i] for i in order[:100]]
question = "How many of these 100 images show a patient who is in training as well?"
with predict(question, {"about 15": 0, "about 50": 33, "about 70": 60, "more than 90": 90}) as reveal:
    print(f"{known_patients(*by_image):.0%} of the validation images")
    reveal(100 * known_patients(*by_image))

# %% [markdown]
# <details><summary>Why, and why does it matter?</summary>
#
# Only about one image in seven is in validation. So the other images of a patient in validation are mostly in training. Images of
# one patient share skin, camera and the kind of lesion, sometimes the very lesion. So this validation asks how well the network
# does on people whom it has seen in training. In use it meets strangers, and this number doesn't tell how well it does on them.
# (With ISIC 2018 the answer is 0, because the challenge doesn't tell patients apart. Several images of one patient may still be
# in it.)
# </details>
#
# So draw *patients*, not images.

# %% [markdown]
# ### Exercise 6.2 · `split_by_patient` · difficulty 2 of 3 · 10 minutes · 4 points
#
# Split the list of records.
#
# - `records`: a list of tuples (name, patient). Names differ. A patient, a string or an int, may have one image or several, side
#   by side or apart
# - `fraction`: a number between 0 and 1, the share of *patients* in validation, rounded to a whole number (a half may go either
#   way). But at least one patient is in val and at least one in train. `records` holds at least two patients
# - `seed`: an int. The same records in the same order with the same seed give the same split, also in another Python process;
#   another seed may draw other patients, and each patient gets into val with some seeds
# - returns a tuple of two lists of records, (train, val). Each record is in exactly one of them, and no patient is in both. The
#   order within a list is up to you
#
# <details><summary>Hint 1: where do I start?</summary>
# Collect the patients, each one once. Shuffle them with a generator of your own, such as <code>random.Random(seed)</code>, and
# take the first ones.
# </details>
# <details><summary>Hint 2: in another Python process?</summary>
# The order of a set of strings changes from one start of Python to the next. <code>sorted</code> has the same order every day.
# </details>


# %% nbgrader={"grade": false, "grade_id": "split_by_patient", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_by_patient(records, fraction, seed):
    """Split records (name, patient) into two lists (train, val) that share no patient."""
    raise NotImplementedError("Exercise 6.2")


# %% tags=["raises-exception"]
some = [("image1", "ana"), ("image2", "bo"), ("image3", "ana"), ("image4", "cy")]
print(split_by_patient(some, fraction=1 / 3, seed=0))

# %% nbgrader={"grade": true, "grade_id": "check_split_by_patient", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("split_by_patient", split_by_patient)

# %%
my_split = exercises.yours("split_by_patient", split_by_patient)
train_records, val_records = my_split(records, fraction=1 / 9, seed=0)
print(f"{len(train_records)} images train, {len(val_records)} validate")
print(f"{known_patients(train_records, val_records):.0%} of the validation images show a patient of training")


# %% [markdown]
# ## 4. One flip, two tensors
#
# A lesion has no top and no bottom. Flipped images are new images for the network, and they cost nothing. The mask has to be
# flipped with its image. Here is code that circulates.


# %%
def maybe_flip(x):
    """Flip left to right with probability 1/2."""
    return x.flip(-1) if torch.rand(()) < 0.5 else x


torch.manual_seed(0)
picture = max((everything[i] for i in range(50)), key=lambda pair: (pair[1] != pair[1].flip(-1)).sum())
with predict("image, mask = maybe_flip(image), maybe_flip(mask): how often do the two disagree?",
             {"never": 0, "in a quarter of the calls": 0.1, "in half of the calls": 0.4}) as reveal:  # fmt: skip
    calls = [[not maybe_flip(one).equal(one) for one in picture] for _ in range(1000)]
    apart = np.mean([image_flipped != mask_flipped for image_flipped, mask_flipped in calls])
    print(f"image and mask disagree in {apart:.0%} of 1,000 calls")
    reveal(apart)

# %% [markdown]
# <details><summary>Why?</summary>
#
# Each call draws for itself. Two draws out of two possibilities agree as often as not. With flips along both axes, three of four
# pairs are wrong.
# </details>
#
# torchvision's transforms v2 solve this: they draw once for all inputs. But which inputs do they flip?

# %%
from torchvision import tv_tensors
from torchvision.transforms import v2

flip = v2.RandomHorizontalFlip(p=1)  # always
image, mask = picture
choices = ["both are flipped", "only the image is flipped", "an error"]
with predict(
    "flip(tv_tensors.Image(image), mask), the mask a plain tensor: what happens?", choices
) as reveal:
    new_image, new_mask = flip(tv_tensors.Image(image), mask)
    _, typed_mask = flip(tv_tensors.Image(image), tv_tensors.Mask(mask))
    panels = [outline(new_image, new_mask), outline(new_image, typed_mask)]
    titles = ["a plain tensor", "a tv_tensors.Mask"]
    show_image(panels, titles, alt="The flipped lesion twice, with the outlines of its two masks.")
    print("mask flipped:", not new_mask.equal(mask), "as tv_tensors.Mask:", not typed_mask.equal(mask))
    reveal(choices[1] if new_mask.equal(mask) else choices[0])

# %% [markdown]
# <details><summary>Why?</summary>
#
# v2 decides by type. Beside an `Image`, a plain tensor could be anything, a label or a score, so v2 returns it as it came, in
# silence. Wrap the mask in `tv_tensors.Mask`. `segcourse.load_dataset` does it for you.
# </details>
#
# And chance needs a source. If every function draws from PyTorch's global generator, a new line anywhere in the program changes
# all later flips, and yesterday's training can't be repeated. So the caller hands in a generator.

# %% [markdown]
# ### Exercise 6.3 · `augment` · difficulty 2 of 3 · 10 minutes · 4 points
#
# Flip both, by chance.
#
# - `image`: float tensor, C x H x W; `mask`: int64 tensor, H x W
# - `generator`: a `torch.Generator`. All chance comes from it, and the caller has set its seed: the same state gives the same
#   flips, whatever is drawn elsewhere
# - reverse the order of the rows with probability 1/2 (upside down), and independently the order of the columns with
#   probability 1/2 (left to right); what happens to the image happens to the mask
# - returns a tuple (image, mask), of the types and shapes in which they came
#
# The check calls your function 2 x 64 times per case, and 2 x 1,000 times in one. Chance alone makes a right answer fail in fewer
# than one of 10,000 checks.
#
# <details><summary>Hint 1: a draw</summary>
# <code>torch.rand((), generator=generator)</code> is a number from 0 to 1.
# </details>
# <details><summary>Hint 2: which axis?</summary>
# Counted from the end, rows and columns have the same number in both tensors: -2 and -1.
# </details>


# %% nbgrader={"grade": false, "grade_id": "augment", "locked": false, "schema_version": 3, "solution": true, "task": false}
def augment(image, mask, generator):
    """Flip image and mask together: upside down with probability 1/2, and mirrored with 1/2."""
    raise NotImplementedError("Exercise 6.3")


# %% tags=["raises-exception"]
one_to_four = torch.tensor([[1, 2], [3, 4]])
generator = torch.Generator().manual_seed(0)
for _ in range(3):
    print(*(x.tolist() for x in augment(one_to_four[None].float(), one_to_four, generator)))

# %% nbgrader={"grade": true, "grade_id": "check_augment", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("augment", augment)


# %% [markdown]
# # Sitting 2 · Training
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 5. The rate rises, then falls
#
# The learning rate says how far a step follows the gradient. If it is too large, the first steps destroy the starting weights. If
# it is too small, training takes all night. Most recent recipes begin with a short *warm-up*, in which the rate rises. Then the
# rate falls to 0 along half a cosine: large steps first, small steps at the end.
#
# Why fall to 0? Here is the smallest possible training: one number that should become 0, and a gradient with noise, as from
# small batches.


# %%
def final_error(rate_at, steps=200):
    """Return how far from 0 the number is in the end, as a mean over 500 noisy trainings."""
    chance, x = torch.Generator().manual_seed(0), torch.ones(500)
    for step in range(steps):
        x -= rate_at(step / steps) * (x + torch.randn(500, generator=chance))
    return x.abs().mean().item()


choices = {"the constant one": 0, "both as close": 0.8, "the falling one, about twice as close": 1.5,
           "the falling one, more than 3 times": 3}  # fmt: skip
with predict("The same 200 noisy steps: which rate ends closer to 0?", choices) as reveal:
    constant = final_error(lambda done: 0.3)
    falling = final_error(lambda done: 0.15 * (1 + np.cos(np.pi * done)))
    print(f"mean error: constant rate {constant:.2f}, cosine {falling:.2f}")
    reveal(constant / falling)

# %% [markdown]
# <details><summary>Why?</summary>
#
# Near the goal the gradient is mostly noise, and each step follows it by the length of the rate. Small steps at the end average the
# noise out.
# </details>

# %% [markdown]
# ### Exercise 6.4 · `cosine_lr` · difficulty 1 of 3 · 10 minutes · 3 points
#
# Compute the rate of one step.
#
# - `step`: an int from 0 up; `total_steps`: an int, larger than `warmup_steps`; `peak`: a number above 0
# - `warmup_steps`: an int, 0 by default; with 0 warm-up steps, the cosine begins at step 0
# - warm-up: the rate rises in equal parts: step 0 has peak / warmup_steps, and the last of these steps has the peak
# - afterwards half a cosine: the peak at step warmup_steps, half of the peak in the middle of the steps that are left, 0 at
#   total_steps and beyond
# - returns a float (an `np.float64` counts as one, here and in the next exercises)
#
# <details><summary>Hint 1: half a cosine</summary>
# (1 + cos(π · done)) / 2 falls from 1 to 0 while done goes from 0 to 1.
# </details>
# <details><summary>Hint 2: what is done?</summary>
# Count from the end of the warm-up: how many of the remaining steps are over? And beyond the end, cos would rise again.
# </details>


# %% nbgrader={"grade": false, "grade_id": "cosine_lr", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cosine_lr(step, total_steps, peak, warmup_steps=0):
    """Return the learning rate of a step: a linear rise to `peak`, then half a cosine down to 0."""
    raise NotImplementedError("Exercise 6.4")


# %% tags=["raises-exception"]
print([round(cosine_lr(step, total_steps=8, peak=1.0, warmup_steps=2), 2) for step in range(10)])

# %% nbgrader={"grade": true, "grade_id": "check_cosine_lr", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("cosine_lr", cosine_lr)


# %% [markdown]
# ## 6. One pass
#
# Forward, loss, backward, step: you have seen the four lines. Two lines around them are easy to forget, `zero_grad()` and
# `train()`, and forgetting one of them raises no error. Which one costs more? Suppose that an evaluation left a tiny network in
# eval mode. It learns 64 lesions for six epochs: once with both lines, and twice with one line missing.


# %%
def learn(zero=True, train=True):
    """Return the Dice of a tiny network on its own training images, after 36 steps."""
    torch.manual_seed(0)
    network = segcourse.create_model("half_unet", 2, width=4)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    network.train(train)
    for batch in [part for _ in range(6) for part in torch.arange(64).split(11)]:
        if zero:
            optimizer.zero_grad()
        segcourse.combined_loss(network(few[batch]), few_masks[batch]).backward()
        optimizer.step()
    return segcourse.dice_score(network.eval()(few).argmax(dim=1), few_masks).nanmean().item()


few, few_masks = (torch.stack(part) for part in zip(*[everything[i] for i in range(64)], strict=True))

# %%
choices = ["no zero_grad", "no train()"]
with predict("Which missing line costs more, for this network?", choices) as reveal:
    scores = {"all lines": learn(), choices[0]: learn(zero=False), choices[1]: learn(train=False)}
    show_bars(scores, xlabel="Dice on the 64 training images, after 36 steps")
    reveal(min(choices, key=scores.get))

# %% [markdown]
# <details><summary>Does the order hold in general?</summary>
#
# No. It depends on the network, the rate and the number of steps, and that is the trouble: neither mistake stops the training, and
# both runs look like "this data is hard". Read the loop, not the curve.
# </details>

# %% [markdown]
# ### Exercise 6.5 · `train_one_epoch` · difficulty 2 of 3 · 15 minutes · 5 points
#
# Write the loop.
#
# - `model`: it may come in eval mode; train it in training mode. Its mode afterwards is up to you
# - `loader`: gives batches (images, masks) of any size in a `for` loop, at least one batch. Ask it for no length and no index; one
#   epoch is one pass
# - `optimizer`: any optimizer of the model's parameters. It takes one step per batch, with the gradient of this batch alone,
#   whatever gradients are left from before
# - `loss`: any function of (logits, masks), where `model(images)` gives the logits. It returns the mean loss of the batch, a
#   scalar tensor
# - returns a float, the mean loss per image: a batch's loss, taken before its step, counts as often as the batch has images
#
# There is no `.to(device)` in the answer: the batches come on the model's device.
#
# <details><summary>Hint 1: the order</summary>
# zero_grad, forward, loss, backward, step.
# </details>
# <details><summary>Hint 2: the last batch is smaller</summary>
# Add <code>value.item() * len(images)</code>, count the images, and divide at the end.
# </details>


# %% nbgrader={"grade": false, "grade_id": "train_one_epoch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_one_epoch(model, loader, optimizer, loss):
    """Take one step per batch (images, masks), and return the mean loss per image, a float."""
    raise NotImplementedError("Exercise 6.5")


# %% tags=["raises-exception"]
torch.manual_seed(0)
network = nn.Conv2d(3, 2, kernel_size=1)
step = torch.optim.SGD(network.parameters(), lr=0.1)
print([train_one_epoch(network, [(few[:8], few_masks[:8])], step, F.cross_entropy) for _ in range(3)])

# %% nbgrader={"grade": true, "grade_id": "check_train_one_epoch", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("train_one_epoch", train_one_epoch)

# %% [markdown]
# ### Exercise 6.6 · `evaluate` · difficulty 2 of 3 · 15 minutes · 5 points
#
# Measure on images that were not used for training. And measuring must change nothing: no weight, no running
# mean of a batch norm, no mode.
#
# - `model`: `model(images)` gives logits N x 2 x H x W; a pixel is lesion where the second one is larger
# - `loader`: gives batches (images, masks) of any size in a `for` loop, at least one batch, on the model's device. Ask it for no
#   length and no index
# - the model is in eval mode while you evaluate, and PyTorch records nothing for gradients. Afterwards the model is in the mode in
#   which it came, training or eval (the same for all its parts)
# - returns a tuple of two floats: the mean Dice and the mean Jaccard index (IoU) of the lesions; every image counts equally
# - an image without lesion in truth and prediction is left out; where only the truth or only the prediction is empty, both scores
#   (Dice and Jaccard) are 0. If no image is left, both are NaN
#
# You may call `segcourse.dice_score` and `segcourse.iou_score`, which return one score per image, NaN for 0/0.
#
# <details><summary>Hint 1: where do I start?</summary>
# Collect the scores of all batches in a list, <code>torch.cat</code> them, and take a mean that skips NaN.
# </details>
# <details><summary>Hint 2: the mode</summary>
# Before <code>model.eval()</code>, note <code>model.training</code>. <code>model.train(True)</code> and
# <code>model.train(False)</code> set it.
# </details>


# %% nbgrader={"grade": false, "grade_id": "evaluate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def evaluate(model, loader):
    """Return the mean Dice and the mean Jaccard index per image, a tuple of two floats."""
    raise NotImplementedError("Exercise 6.6")


# %% tags=["raises-exception"]
print(evaluate(network, [(few[:8], few_masks[:8]), (few[8:11], few_masks[8:11])]), network.training)

# %% nbgrader={"grade": true, "grade_id": "check_evaluate", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("evaluate", evaluate)

# %% [markdown]
# ## 7. Train
#
# Everything comes together: your data set with your augmentation, your split, your schedule, your loop. The network is a U-Net at
# half resolution. If an answer of yours doesn't pass yet, the course's version stands in, and a line says so. The training
# uses one thread and takes 30 to 40 seconds of processor time. The grader runs this cell, too,
# and stops it after 60 seconds of processor time.

# %%
my_augment = exercises.yours("augment", augment)
chance = torch.Generator().manual_seed(0)


def loader_of(part, transform=None, shuffle=False):
    """Return a DataLoader of these records, 16 images per batch."""
    chosen = [{name: arrays[name] for name, _ in part} for arrays in (images, masks)]
    return DataLoader(MyDataset(*chosen, transform), batch_size=16, shuffle=shuffle, generator=chance)


train_loader = loader_of(train_records, lambda *pair: my_augment(*pair, chance), shuffle=True)
val_loader = loader_of(val_records)

# %%
my_rate = exercises.yours("cosine_lr", cosine_lr)
my_epoch = exercises.yours("train_one_epoch", train_one_epoch)
my_evaluate = exercises.yours("evaluate", evaluate)
EPOCHS, PEAK, rates = 8, 4e-3, []


def batches(loader, optimizer=None):
    """Yield the loader's batches on the device; in training, set the learning rate of each step."""
    for one in loader:
        if optimizer:
            rates.append(my_rate(len(rates), EPOCHS * len(loader), PEAK, warmup_steps=len(loader)))
            for group in optimizer.param_groups:
                group["lr"] = rates[-1]
        yield [part.to(device) for part in one]


# %%
torch.manual_seed(0)
network = segcourse.create_model("half_unet", 2, width=12).apply(initialise).to(device)
optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK)
losses, dices, states = [], [], []
rates.clear()
chance.manual_seed(0)  # so that this cell repeats its training when it runs again
for epoch in range(EPOCHS):
    losses.append(my_epoch(network, batches(train_loader, optimizer), optimizer, segcourse.combined_loss))
    dice, jaccard = my_evaluate(network, batches(val_loader))
    dices.append(dice)
    states.append({name: value.cpu().clone() for name, value in network.state_dict().items()})
    print(f"epoch {epoch + 1}: training loss {losses[-1]:.3f}   Dice {dice:.3f}   Jaccard {jaccard:.3f}")
network = network.cpu().eval()  # the grader has no GPU

# %% tags=["skip-grading"]
show_curves({"training loss": losses, "validation Dice": dices}, xlabel="epoch", ylabel="loss; Dice, 0 to 1")
show_curves({"learning rate": rates}, xlabel="step", ylabel="learning rate")

# %% [markdown]
# `states` holds the weights after each epoch. Press play, and watch two lesions of the ladder become clear.

# %% tags=["skip-grading"]
held_out = ladder.pictures().test  # 120 lesions, the same in all lessons
pixels, truth = (torch.stack([sample[i] for sample in held_out]) for i in (0, 1))
by_epoch, earlier = [], copy.deepcopy(network)  # `network` stays as it was trained
for state in states:
    earlier.load_state_dict(state)
    with torch.inference_mode():
        by_epoch.append(earlier(pixels).argmax(dim=1))
shown = {f"lesion {i}": [outline(pixels[i], found[i]) for found in by_epoch] for i in (0, 5)}
frames = play(shown, range(1, EPOCHS + 1), name="epoch")

# %% [markdown]
# ## 8. The best epoch, chosen on the test set
#
# Eight epochs, eight networks. Suppose that somebody keeps the one that is best on the *test* images, and reports that very
# score. Clinics often have a dozen test images.

# %% tags=["skip-grading"]
dice_of = torch.stack([segcourse.dice_score(found, truth) for found in by_epoch])  # epochs, lesions
draw, differences = torch.Generator().manual_seed(0), []
for _ in range(1000):
    test = torch.randperm(len(truth), generator=draw)[:12]
    best = dice_of[:, test].mean(dim=1).argmax()
    differences.append(dice_of[best, test].mean() - dice_of[best].mean())
with predict("12 test images choose the epoch. On average, how does their score compare with that on all 120?",
             {"it is lower": -1, "equal": -0.003, "higher by about 0.01": 0.003, "higher by about 0.1": 0.05}) as reveal:  # fmt: skip
    apart = torch.stack(differences)
    print(f"12 images minus 120: {apart.mean():+.3f} on average, above {apart.quantile(0.9):+.3f} in a tenth")
    reveal(apart.mean())

# %% [markdown]
# <details><summary>Why?</summary>
#
# The largest of several noisy numbers is too large on average: the choice prefers the epoch that had luck on these images. So
# there are three sets. *Training* sets the weights. *Validation* chooses epoch, threshold and everything else. *Test* measures the
# finished network and chooses nothing. This lesson looks at the ladder's 120 lesions several times, but they choose nothing.
# </details>
#
# Our schedule ends at 0, so we simply keep the last epoch, and nothing is chosen at all.

# %% [markdown]
# # Sitting 3 · Results
#
# If you start here after a break, run all cells above once more (*Run → Run All Above Selected Cell*).
#
# ## 9. Larger than your machine
#
# Three tools make training fit into less memory or less time. Each takes a line or two. A fourth, TensorBoard, shows a training
# while it runs. The cells below try them on `trial`, a copy: `network` stays as you trained it.
#
# **Mixed precision (AMP).** Inside `torch.autocast` with `dtype=torch.bfloat16`, convolutions calculate with half as many bits.
# (On a GPU, the default is float16.) Weights and loss stay in float32. On a GPU this often doubles the speed. (With float16
# instead, small gradients become 0, and `torch.amp.GradScaler` has to enlarge the loss.)

# %% tags=["skip-grading"]
trial = copy.deepcopy(network)
choices = {"fewer than 1 in 100": 0, "about 1 in 10": 0.01, "more than 1 in 4": 0.25}
with predict(
    "bfloat16 keeps two to three digits. How many pixels of our masks does it change?", choices
) as reveal:
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        rough = trial(pixels)
    changed = (rough.argmax(dim=1) != by_epoch[-1]).float().mean().item()
    print(f"logits in {rough.dtype}; {changed:.2%} of the pixels change")
    reveal(changed)


# %% [markdown]
# **Accumulation.** A batch of 16 doesn't fit? Take two of 8, divide each loss by 2, and step after both. The gradients add up. Do
# they add up to those of the large batch?


# %% tags=["skip-grading"]
def gradient(parts, training):
    """Return the gradient of the mean loss over these parts of a batch, as one vector."""
    trial.train(training).zero_grad()
    for part in parts:
        (segcourse.combined_loss(trial(pixels[part]), truth[part]) / len(parts)).backward()
    return torch.cat([parameter.grad.flatten() for parameter in trial.parameters()])


whole, halves = [torch.arange(16)], torch.arange(16).split(8)
with predict("Two batches of 8 or one of 16, in training mode: are the gradients equal?",
             {"yes, up to rounding": 0, "no": 0.001}) as reveal:  # fmt: skip
    one, two = gradient(whole, training=True), gradient(halves, training=True)
    apart = (one - two).norm() / one.norm()
    print(f"they differ by {apart:.0%} of their length")
    reveal(apart)

# %% [markdown]
# <details><summary>Why?</summary>
#
# Batch norm computes its mean over 8 images instead of 16. And our loss contains a Dice, a fraction of sums over the batch: the
# mean of two fractions isn't the fraction of the sums. `segcourse.fit(accumulate=2)` repairs the second reason. The first one
# stays. With eight images it usually does little harm, with one or two it does.
# </details>
#
# **Activation checkpointing.** The backward pass needs what each layer computed, and that takes most of the memory in training.
# `checkpoint` forgets it and computes it a second time.

# %% tags=["skip-grading"]
from torch.utils.checkpoint import checkpoint


def kept(forward):
    """Return how many megabytes are kept for the backward pass, apart from the weights."""
    sizes = {}

    def note(x):
        sizes[x.data_ptr()] = x.nbytes
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        forward(pixels[:16].clone().requires_grad_())
    weights = {parameter.data_ptr() for parameter in trial.parameters()}
    return sum(size for place, size in sizes.items() if place not in weights) / 2**20


# %% tags=["skip-grading"]
question = "How much of it is kept with a checkpoint around the whole network?"
with predict(question, ["about half", "about a fifth", "less than a tenth"]) as reveal:
    plain, again = kept(trial), kept(lambda x: checkpoint(trial, x, use_reentrant=False))
    print(f"{plain:.1f} MB without, {again:.1f} MB with a checkpoint, for 16 images of 64 x 64")
    part = again / plain
    reveal("less than a tenth" if part < 0.1 else "about a fifth" if part < 0.33 else "about half")

# %% [markdown]
# <details><summary>What is the price?</summary>
#
# A second forward pass, about a third more time. And at the start of the backward pass everything comes back at once: around the
# whole network, the peak is as high as before. Put one checkpoint around each *block*, and only one block's maps are there
# at any time.
# </details>
#
# **TensorBoard** draws curves while a training runs, also on another machine. `tensorboard --logdir runs` in a terminal shows them.

# %% tags=["skip-grading"]
from torch.utils.tensorboard import SummaryWriter

with SummaryWriter("runs/lesson6") as writer:
    for epoch in range(EPOCHS):
        writer.add_scalar("loss/train", losses[epoch], epoch)
        writer.add_scalar("dice/val", dices[epoch], epoch)

# %% [markdown]
# ## 10. Which weights does an image reach?
#
# Here is a design that one meets in notebooks on skin lesions: an EfficientNet-B3 as encoder, an ASPP with the rates 6, 12
# and 18, and images of 256 x 256 pixels. As in lesson 4, ask: which weights of the ASPP does such an image ever reach?

# %% tags=["skip-grading"]
from torchvision.models import efficientnet_b3

torch.manual_seed(0)
with torch.no_grad():
    deep = efficientnet_b3(weights=None).features.eval()(torch.rand(2, 3, 256, 256))  # the map that ASPP sees
head = ASPP(deep.shape[1], 64, rates=(6, 12, 18))
head(deep).square().sum().backward()
with predict("How many of the head's weights in its three dilated branches get no gradient at all?",
             {"none": 0, "about a third": 0.2, "more than half": 0.5, "nearly all": 0.9}) as reveal:  # fmt: skip
    taps = [branch[0].weight.grad.abs().sum(dim=(0, 1)) > 0 for branch in head.branches[1:]]  # 3 x 3 each
    dead = 1 - torch.stack(taps).float().mean().item()
    print(
        f"map of {deep.shape[2]} x {deep.shape[3]}, live taps of 9 per rate: {[int(t.sum()) for t in taps]}"
    )
    print(f"{dead:.0%} of the weights of its dilated branches are dead")
    reveal(dead)

# %% [markdown]
# <details><summary>Why?</summary>
#
# The encoder's output stride is 32, so its last map has 8 x 8 pixels. A tap 12 or 18 pixels away from the middle never meets one.
# Two of three branches are 1 x 1 convolutions in disguise. So 59 % of the weights of its dilated branches are dead, and the
# network trains all the same, so the mistake goes unnoticed. Rates of 1, 2 and 3 live on this map:
# `segcourse.models.lesion.LesionNet` uses these rates. And 6, 12 and 18 live at output stride 8 or on larger images.
# </details>

# %% [markdown]
# ## 11. Which lesions fail?
#
# A mean hides who is in it. Sort the validation images by their Dice, and look at the worst.

# %%
val_pairs = [val_loader.dataset[i] for i in range(len(val_records))]
val_pixels, val_truth = (torch.stack(part) for part in zip(*val_pairs, strict=True))

# %% tags=["skip-grading"]
with torch.inference_mode():
    val_found = network(val_pixels).argmax(dim=1)
val_dice = segcourse.dice_score(val_found, val_truth)
worst = val_dice.nan_to_num(2).argsort()[:6].tolist()
show_results(val_pixels[worst], val_truth[worst], val_found[worst], palette=segcourse.Palette.lesion())

# %% tags=["skip-grading"]
area = val_truth.float().mean(dim=(1, 2))
groups = {"no lesion": area == 0, "below 2 % of the image": (area > 0) & (area < 0.02),
          "2 to 10 %": (area >= 0.02) & (area < 0.1), "above 10 %": area >= 0.1}  # fmt: skip
with predict("In which of the last three groups is the mean Dice lowest?", list(groups)[1:]) as reveal:
    means = {name: val_dice[chosen].nanmean().item() for name, chosen in groups.items()}
    false_alarms = val_found[groups["no lesion"]].flatten(1).any(dim=1)
    for name in list(groups)[1:]:
        print(f"{name:22} {int(groups[name].sum()):3} images, mean Dice {means[name]:.2f}")
    print(f"{int(false_alarms.sum())} of {len(false_alarms)} images without lesion get a false alarm")
    filled = [name for name in list(groups)[1:] if groups[name].any()]  # an empty group has no mean
    reveal(min(filled, key=means.get))

# %% [markdown]
# <details><summary>How to read this</summary>
#
# A small lesion has a low Dice because one wrong row of pixels is a large part of it, and because a small spot is easy to miss. On an
# image without lesion, Dice is 0 (a false alarm) or 0/0 (nothing found). So count its false alarms instead.
# </details>
#
# The worst images of training and validation *together* tell something else. Section 2 has left 15 wrong pairs in the list (with the
# drawn lesions). Most of them are in training.

# %% tags=["skip-grading"]
with torch.inference_mode():
    pairs = [everything[names.index(name)] for name, _ in records]
    found = torch.cat([network(part).argmax(dim=1) for part in torch.stack([x for x, _ in pairs]).split(100)])
fit = segcourse.dice_score(found, torch.stack([y for _, y in pairs])).nan_to_num(1)
lowest = [records[i][0] for i in fit.argsort()[:40].tolist()]
question = "How many of the 15 wrong pairs are among the 40 images with the lowest Dice?"
with predict(question, {"about 1, as by chance": 0, "about 5": 3, "about 10": 8, "nearly all": 13}) as reveal:
    left = [name for name, _ in records if name in collection.swapped]
    count = len(set(left) & set(lowest))
    print(f"{count} of {len(left)} are among the 40 lowest of {len(records)}")
    reveal(count)

# %% [markdown]
# <details><summary>Why?</summary>
#
# A small network can't learn wrong pairs by heart in eight epochs. It learns what most pairs have in common, and contradicts some
# of the rest. A wrong mask of the same patient often fits too well to be found. So a trained network finds label mistakes better
# than chance does, though not all of them. (What it can't find: mistakes that *most* labels share.)
# </details>

# %% tags=["skip-grading"]
one = worst[-1]
viewer = mask_viewer(val_pixels[one], val_truth[one], val_found[one], palette=segcourse.Palette.lesion())

# %% [markdown]
# ## 12. Hand it in
#
# You can keep improving your last answer after you have all points. The grader draws 120 new lesions, gives your function their
# images, and keeps their masks. Every student gets the same lesions. Your points depend on the mean Dice per image, and your
# instructor can print a leader board: `segcourse report 06 --leaderboard`.
#
# How to climb? Some ideas, from cheap to expensive:
#
# - average the probabilities of flipped images
# - choose a threshold on validation
# - change colours and contrast, too, where `augment` is called
# - take more images, `capstone.collect(count=1200)`
# - train longer, or take another network
#
# The last two ideas make the training cell slower in proportion, and the grader stops a cell after 60 seconds of processor time.
# With twice the images or twice the epochs, the training is above this limit. `time.process_time()` before and after tells you
# what your training takes.
#
# Measure each idea on *validation*: `val_pixels` and `val_truth` hold its images and masks. The check below shows your score on
# 120 practice lesions. Don't use it to choose: section 8 says why.
#
# With a network that learned from photographs only, expect a lower score: the graded lesions are drawn.

# %% [markdown]
# ### Exercise 6.7 · `predict_masks` · difficulty 3 of 3 · 20 minutes · 6 points
#
# Predict.
#
# - `images`: float32 tensor, N x 3 x 64 x 64, 0 … 1, on the CPU
# - returns a tensor N x 64 x 64 of class ids, 0 skin and 1 lesion, of any integer type or bool
# - your function may use what the notebook defines above, such as `network`, `val_pixels` and `val_truth`. But the grader skips the
#   demonstrations in sections 7 to 11 (cells with the tag `skip-grading`), so names such as `pixels` and `trial` are missing there.
#   Your function takes at most 10 seconds
# - mean Dice 0.60 (a threshold gets close), 0.70 and 0.76 each earn two points
#
# Chance plays a part. The network of the solved notebook was graded with 100 other sets of 120 lesions, and all of them gave it
# every point.
#
# <details><summary>Hint 1: the shortest answer</summary>
# One line: <code>network(images)</code>, and <code>argmax</code> over the classes, under <code>torch.inference_mode()</code>.
# </details>
# <details><summary>Hint 2: averaging over flips</summary>
# Flip the images, predict, flip the <em>result</em> back, and average the probabilities of several flips before
# <code>argmax</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "predict_masks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def predict_masks(images):
    """Return a mask per image, 0 skin and 1 lesion: float N x 3 x H x W in 0 … 1 to int64 N x H x W."""
    raise NotImplementedError("Exercise 6.7")


# %% tags=["raises-exception"]
print(predict_masks(torch.rand(2, 3, 64, 64)).shape)

# %% nbgrader={"grade": true, "grade_id": "check_predict_masks", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check("predict_masks", predict_masks)

# %% [markdown]
# ## 13. The ladder
#
# Your network beside nine other methods of the course, on the 120 lesions of the ladder. It isn't a fair race: the other networks
# and the forest learned from 400 images without augmentation.

# %% tags=["skip-grading"]
dice = segcourse.dice_score(by_epoch[-1], truth)
print(f"your mean Dice: {dice.mean():.2f}")
chart = ladder.show({"yours: skin-lesion project": dice})


# %% [markdown]
# ## 14. When it goes wrong
#
# Three mistakes that are common in real notebooks, each with its symptom. Read the symptom, find the line, repair it in place and run
# the cell again. Nothing here is graded.
#
# ### 14.1 "It hardly learns, but it doesn't diverge either"


# %%
def schedule(step, total, peak=1.0, warmup=100):
    """Return the rate of a step: warm-up, then half a cosine."""
    return peak * min((step + 1) / warmup, (1 + np.cos(np.pi * step / total)) / 2)


used = []
for epoch in range(8):
    for _ in range(50):  # batches
        used.append(schedule(epoch, total=8 * 50))
print(f"largest rate: {max(used):.2f} of the peak (after the repair: more than 0.8)")

# %% [markdown]
# <details><summary>Where to look</summary>
# What does <code>total</code> count, and what does the first argument count? After how many epochs is this warm-up over?
# </details>
#
# ### 14.2 "The best weights are no better than the last"
#
# The weights of the best epoch are kept. Afterwards, they always turn out to be those of the last epoch.

# %%
layer, best, lowest = nn.Linear(1, 1), None, float("inf")
descent = torch.optim.SGD(layer.parameters(), lr=0.1)
for loss_of_epoch in (3.0, 1.0, 2.0):  # the second epoch is the best
    descent.zero_grad()
    layer(torch.ones(1, 1)).sum().backward()
    descent.step()
    if loss_of_epoch < lowest:
        lowest, best = loss_of_epoch, layer.state_dict()
        weight_then = layer.weight.item()
print(f"weight in the best epoch {weight_then:.2f}, in `best` {best['weight'].item():.2f} (should be equal)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Does <code>state_dict()</code> return copies, or the tensors themselves? What does the next step do to them?
# <code>copy.deepcopy</code> and <code>.clone()</code> make copies.
# </details>
#
# ### 14.3 "Out of memory, after twenty minutes"

# %%
layer, total = nn.Linear(100, 1), 0.0
for _ in range(50):
    total += F.mse_loss(layer(torch.rand(8, 100)), torch.zeros(8, 1))
depth, node = 0, getattr(total, "grad_fn", None)
while node is not None:
    depth, node = depth + 1, node.next_functions[0][0] if node.next_functions else None
print(f"operations in a row that PyTorch still remembers: {depth} (after the repair: 0)")

# %% [markdown]
# <details><summary>Where to look</summary>
# What type has <code>total</code> after the loop? It holds on to every batch's graph, and with it to all maps of the network,
# because no <code>backward</code> frees them here. A number would do.
# </details>
#
# ## 15. In five lines
#
# 1. Pair by name, and let a number choose which pairs to look at.
# 2. Draw patients, not images, so that validation asks about people whom training hasn't seen.
# 3. One draw decides about image *and* mask.
# 4. A loop is ten lines. Forgetting `zero_grad` or `train()` raises no error.
# 5. Validation chooses, test only measures, and the worst cases tell more than the mean.
#
# | you have | use |
# | --- | --- |
# | a few hundred images | flips, a small network, a schedule that ends at 0 |
# | several images per patient, video frames | a split by patient, by film |
# | too little memory | a smaller batch, accumulation, checkpoints around blocks, AMP |
# | doubtful labels | the pairs with the highest loss of a trained network |
# | a leader board | validation for every choice, one submission for the board |
#
# **Read on.** Codella et al. 2019, *ISIC 2018* (arXiv 1902.03368): the challenge, its data and its score. Loshchilov and Hutter
# 2017, *SGDR* (arXiv 1608.03983), section 3: the cosine. Micikevicius et al. 2018, *Mixed precision training* (arXiv 1710.03740).
# Chen et al. 2016, *Training deep nets with sublinear memory cost* (arXiv 1604.06174): checkpointing. Varoquaux and Cheplygina
# 2022, *Machine learning for medical imaging: methodological failures and recommendations for the future* (npj Digital Medicine
# 5): leaks, small test sets, and what to do. Lesson 7 turns your network into something that other people can use.

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("06_skin_lesion.ipynb")
