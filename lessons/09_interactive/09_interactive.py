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
# # Lesson 9 · Interactive
#
# TODO: why this matters, how many minutes the lesson takes, and which lessons it builds on.

# %% [markdown]
# ## What you will be able to do
#
# - TODO: `clicks_to_map`
# - TODO: `grabcut`
# - TODO: `simulate_click`
# - TODO: `number_of_clicks`

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
# ### Exercise 9.1 · `clicks_to_map` · difficulty 1 of 3 · 10 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "clicks_to_map", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clicks_to_map(clicks, size, radius=3):
    """Return two channels with a disc around each click: float32, 2 x H x W."""
    raise NotImplementedError("Exercise 9.1")


# %% tags=["raises-exception"]
print(clicks_to_map(clicks=..., size=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_clicks_to_map", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("clicks_to_map", clicks_to_map)

# %% [markdown]
# ## 3. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 9.2 · `grabcut` · difficulty 2 of 3 · 15 minutes · 4 points
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


# %% nbgrader={"grade": false, "grade_id": "grabcut", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grabcut(image, clicks):
    """Return the mask of the object that clicks mark: an array H x W of 0 and 1."""
    raise NotImplementedError("Exercise 9.2")


# %% tags=["raises-exception"]
print(grabcut(image=..., clicks=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_grabcut", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("grabcut", grabcut)

# %% [markdown]
# ## 4. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 9.3 · `simulate_click` · difficulty 3 of 3 · 20 minutes · 4 points
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


# %% nbgrader={"grade": false, "grade_id": "simulate_click", "locked": false, "schema_version": 3, "solution": true, "task": false}
def simulate_click(prediction, target):
    """Return the next click (row, column, label), deepest inside a mistake; None if there is none."""
    raise NotImplementedError("Exercise 9.3")


# %% tags=["raises-exception"]
print(simulate_click(prediction=..., target=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_simulate_click", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("simulate_click", simulate_click)

# %% [markdown]
# ## 5. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 9.4 · `number_of_clicks` · difficulty 2 of 3 · 15 minutes · 4 points
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


# %% nbgrader={"grade": false, "grade_id": "number_of_clicks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def number_of_clicks(segment, next_click, target, threshold=0.85, limit=20):
    """Count the clicks after which the mask's IoU reaches the threshold; at most `limit`."""
    raise NotImplementedError("Exercise 9.4")


# %% tags=["raises-exception"]
print(number_of_clicks(segment=..., next_click=..., target=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_number_of_clicks", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("number_of_clicks", number_of_clicks)

# %% [markdown]
# ## 6. The ladder
#
# TODO: this lesson's method beside the earlier ones, on the same images.

# %% [markdown]
# ## 7. When it goes wrong
#
# TODO: two or three broken snippets to repair.

# %% [markdown]
# ## 8. In five lines
#
# TODO: the summary, a table of what to use when, and where to read on.
