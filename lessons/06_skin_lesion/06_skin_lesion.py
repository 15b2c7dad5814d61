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
# # Lesson 6 · Skin lesion
#
# TODO: why this matters, how many minutes the lesson takes, and which lessons it builds on.

# %% [markdown]
# ## What you will be able to do
#
# - TODO: `LesionDataset`
# - TODO: `split_by_patient`
# - TODO: `augment`
# - TODO: `cosine_lr`
# - TODO: `train_one_epoch`
# - TODO: `evaluate`

# %%
from segcourse import check, load_dataset

# %%
lesions = load_dataset("lesions", "test", count=100)

# %% [markdown]
# ## 1. Where this ends
#
# TODO: a picture of the result, with titles, scores and alt text.

# %% [markdown]
# ## 2. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 6.1 · `LesionDataset` · difficulty 2 of 3 · 15 minutes · 5 points
#
# TODO: what to write, in one sentence.
#
# - TODO: shapes, dtypes and ranges of the arguments
# - TODO: what is returned, and the edge cases that are checked
#
# <details><summary>Hint 1: TODO</summary>
# TODO: where to look.
# </details>
# <details><summary>Hint 2: TODO</summary>
# TODO: the next step, but not the answer.
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
print(LesionDataset(images=..., masks=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_LesionDataset", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("LesionDataset", LesionDataset)

# %% [markdown]
# ## 3. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 6.2 · `split_by_patient` · difficulty 2 of 3 · 10 minutes · 4 points
#
# TODO: what to write, in one sentence.
#
# - TODO: shapes, dtypes and ranges of the arguments
# - TODO: what is returned, and the edge cases that are checked
#
# <details><summary>Hint 1: TODO</summary>
# TODO: where to look.
# </details>
# <details><summary>Hint 2: TODO</summary>
# TODO: the next step, but not the answer.
# </details>


# %% nbgrader={"grade": false, "grade_id": "split_by_patient", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_by_patient(records, fraction, seed):
    """Split records (name, patient) into two lists (train, val) that share no patient."""
    raise NotImplementedError("Exercise 6.2")


# %% tags=["raises-exception"]
print(split_by_patient(records=..., fraction=..., seed=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_split_by_patient", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("split_by_patient", split_by_patient)

# %% [markdown]
# ## 4. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 6.3 · `augment` · difficulty 2 of 3 · 10 minutes · 4 points
#
# TODO: what to write, in one sentence.
#
# - TODO: shapes, dtypes and ranges of the arguments
# - TODO: what is returned, and the edge cases that are checked
#
# <details><summary>Hint 1: TODO</summary>
# TODO: where to look.
# </details>
# <details><summary>Hint 2: TODO</summary>
# TODO: the next step, but not the answer.
# </details>


# %% nbgrader={"grade": false, "grade_id": "augment", "locked": false, "schema_version": 3, "solution": true, "task": false}
def augment(image, mask, generator):
    """Flip image and mask together: upside down with probability 1/2, and mirrored with 1/2."""
    raise NotImplementedError("Exercise 6.3")


# %% tags=["raises-exception"]
print(augment(image=..., mask=..., generator=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_augment", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("augment", augment)

# %% [markdown]
# ## 5. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 6.4 · `cosine_lr` · difficulty 1 of 3 · 10 minutes · 3 points
#
# TODO: what to write, in one sentence.
#
# - TODO: shapes, dtypes and ranges of the arguments
# - TODO: what is returned, and the edge cases that are checked
#
# <details><summary>Hint 1: TODO</summary>
# TODO: where to look.
# </details>
# <details><summary>Hint 2: TODO</summary>
# TODO: the next step, but not the answer.
# </details>


# %% nbgrader={"grade": false, "grade_id": "cosine_lr", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cosine_lr(step, total_steps, peak, warmup_steps=0):
    """Return the learning rate of a step: a linear rise to `peak`, then half a cosine down to 0."""
    raise NotImplementedError("Exercise 6.4")


# %% tags=["raises-exception"]
print(cosine_lr(step=..., total_steps=..., peak=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_cosine_lr", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("cosine_lr", cosine_lr)

# %% [markdown]
# ## 6. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 6.5 · `train_one_epoch` · difficulty 2 of 3 · 15 minutes · 5 points
#
# TODO: what to write, in one sentence.
#
# - TODO: shapes, dtypes and ranges of the arguments
# - TODO: what is returned, and the edge cases that are checked
#
# <details><summary>Hint 1: TODO</summary>
# TODO: where to look.
# </details>
# <details><summary>Hint 2: TODO</summary>
# TODO: the next step, but not the answer.
# </details>


# %% nbgrader={"grade": false, "grade_id": "train_one_epoch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_one_epoch(model, loader, optimizer, loss):
    """Take one step per batch (images, masks), and return the mean loss per image, a float."""
    raise NotImplementedError("Exercise 6.5")


# %% tags=["raises-exception"]
print(train_one_epoch(model=..., loader=..., optimizer=..., loss=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_train_one_epoch", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("train_one_epoch", train_one_epoch)

# %% [markdown]
# ## 7. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 6.6 · `evaluate` · difficulty 2 of 3 · 15 minutes · 5 points
#
# TODO: what to write, in one sentence.
#
# - TODO: shapes, dtypes and ranges of the arguments
# - TODO: what is returned, and the edge cases that are checked
#
# <details><summary>Hint 1: TODO</summary>
# TODO: where to look.
# </details>
# <details><summary>Hint 2: TODO</summary>
# TODO: the next step, but not the answer.
# </details>


# %% nbgrader={"grade": false, "grade_id": "evaluate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def evaluate(model, loader):
    """Return the mean Dice and the mean Jaccard index per image, a tuple of two floats."""
    raise NotImplementedError("Exercise 6.6")


# %% tags=["raises-exception"]
print(evaluate(model=..., loader=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_evaluate", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("evaluate", evaluate)

# %% [markdown]
# ## 8. The ladder
#
# TODO: this lesson's method beside the earlier ones, on the same images.

# %% [markdown]
# ## 9. When it goes wrong
#
# TODO: two or three broken snippets to repair.

# %% [markdown]
# ## 10. In five lines
#
# TODO: the summary, a table of what to use when, and where to read on.
