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
# # Lesson 2 · Fcn
#
# TODO: why this matters, how many minutes the lesson takes, and which lessons it builds on.

# %% [markdown]
# ## What you will be able to do
#
# - TODO: `conv_output_size`
# - TODO: `transposed_conv1d`
# - TODO: `bilinear_kernel`
# - TODO: `FCN32s`
# - TODO: `fuse_scores`

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
# ### Exercise 2.1 · `conv_output_size` · difficulty 1 of 3 · 10 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "conv_output_size", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_output_size(size, kernel, stride=1, padding=0, dilation=1):
    """Return how many outputs a convolution has along one axis, an int."""
    raise NotImplementedError("Exercise 2.1")


# %% tags=["raises-exception"]
print(conv_output_size(size=..., kernel=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_conv_output_size", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("conv_output_size", conv_output_size)

# %% [markdown]
# ## 3. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 2.2 · `transposed_conv1d` · difficulty 2 of 3 · 15 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "transposed_conv1d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transposed_conv1d(x, weight, stride):
    """Return the sum of copies of `weight`, each times a number of x, `stride` places apart."""
    raise NotImplementedError("Exercise 2.2")


# %% tags=["raises-exception"]
print(transposed_conv1d(x=..., weight=..., stride=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_transposed_conv1d", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("transposed_conv1d", transposed_conv1d)

# %% [markdown]
# ## 4. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 2.3 · `bilinear_kernel` · difficulty 2 of 3 · 15 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "bilinear_kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bilinear_kernel(stride):
    """Return the bilinear weights of a transposed convolution, float32 of 2 * stride x 2 * stride."""
    raise NotImplementedError("Exercise 2.3")


# %% tags=["raises-exception"]
print(bilinear_kernel(stride=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_bilinear_kernel", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("bilinear_kernel", bilinear_kernel)

# %% [markdown]
# ## 5. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 2.4 · `FCN32s` · difficulty 2 of 3 · 20 minutes · 4 points
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


# %% nbgrader={"grade": false, "grade_id": "FCN32s", "locked": false, "schema_version": 3, "solution": true, "task": false}
class FCN32s(nn.Module):
    """Score the encoder's coarsest map, and enlarge the scores 32 times."""

    def __init__(self, encoder, num_classes):
        raise NotImplementedError("Exercise 2.4")

    def forward(self, x):
        raise NotImplementedError("Exercise 2.4")


# %% tags=["raises-exception"]
print(FCN32s(encoder=..., num_classes=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_FCN32s", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("FCN32s", FCN32s)

# %% [markdown]
# ## 6. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 2.5 · `fuse_scores` · difficulty 1 of 3 · 10 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "fuse_scores", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fuse_scores(coarse, fine):
    """Double the coarse scores, cut what is beyond the fine ones, and add."""
    raise NotImplementedError("Exercise 2.5")


# %% tags=["raises-exception"]
print(fuse_scores(coarse=..., fine=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_fuse_scores", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("fuse_scores", fuse_scores)

# %% [markdown]
# ## 7. The ladder
#
# TODO: this lesson's method beside the earlier ones, on the same images.

# %% [markdown]
# ## 8. When it goes wrong
#
# TODO: two or three broken snippets to repair.

# %% [markdown]
# ## 9. In five lines
#
# TODO: the summary, a table of what to use when, and where to read on.
