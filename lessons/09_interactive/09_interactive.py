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
# Turn clicks into two maps.
#
# - `clicks`: a list of (row, column, label), ints inside the image: label 1 for a click on the object, 0 for one on the background.
#   The list may be empty
# - `size`: (H, W)
# - `radius`: a number, 0 or larger, not always a whole one; 3 if it is not given
# - returns a float32 tensor 2 x H x W. Channel 0 belongs to the clicks on the object, channel 1 to those on the background
# - a channel is 1 where the distance to a click is at most the radius, and 0 elsewhere. The distance is the straight (Euclidean) one,
#   from pixel to pixel. A disc may be cut by the frame
# - Where discs overlap, the map stays 1; the two channels do not touch each other
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or another, gets
# no points. You may use other functions for single steps. An answer never changes its inputs.
#
# <details><summary>Hint 1: all distances at once</summary>
# <code>torch.arange(H)[:, None] - row</code> is H x 1, and <code>torch.arange(W) - column</code> has W numbers. The sum of their squares
# is H x W.
# </details>
# <details><summary>Hint 2: which channel?</summary>
# Label 1 goes to channel 0, and label 0 to channel 1. That is channel <code>1 - label</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "clicks_to_map", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clicks_to_map(clicks, size, radius=3):
    """Return two channels with a disc around each click: float32, 2 x H x W."""
    raise NotImplementedError("Exercise 9.1")


# %% tags=["raises-exception"]
print(clicks_to_map([(1, 1, 1), (0, 4, 0)], size=(3, 5), radius=1))

# %% nbgrader={"grade": true, "grade_id": "check_clicks_to_map", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("clicks_to_map", clicks_to_map)

# %% [markdown]
# ## 3. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 9.2 · `grabcut` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Let GrabCut start from clicks.
#
# - `image`: a uint8 array H x W x 3
# - `clicks`: a list of (row, column, label), label 1 on the object, 0 on the background
# - discs of radius 3 around the clicks are fixed: those of label 1 are object for certain, `cv2.GC_FGD`, and those of label 0 are
#   background for certain, `cv2.GC_BGD`. Discs may be cut by the frame. No two discs overlap
# - All other pixels are *probably* background, `cv2.GC_PR_BGD`. Then `cv2.grabCut` runs for five rounds, from all clicks at once
# - returns an array H x W of 0 and 1: 1 where GrabCut says object or probably object
# - Without a click on the object, the mask is empty: GrabCut can't start then
#
# An answer never changes its inputs.
#
# <details><summary>Hint 1: how does cv2.grabCut get labels?</summary>
# <code>cv2.grabCut(image, labels, None, background, foreground, 5, cv2.GC_INIT_WITH_MASK)</code> changes <code>labels</code>, a uint8
# array H x W. The two models are <code>np.zeros((1, 65))</code> each.
# </details>
# <details><summary>Hint 2: discs</summary>
# <code>cv2.circle(labels, (x, y), 3, value, -1)</code> fills a disc. OpenCV's points are (x, y), and x is the column.
# </details>


# %% nbgrader={"grade": false, "grade_id": "grabcut", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grabcut(image, clicks):
    """Return the mask of the object that clicks mark: an array H x W of 0 and 1."""
    raise NotImplementedError("Exercise 9.2")


# %% tags=["raises-exception"]
dark = np.full((16, 16, 3), 200, np.uint8)
dark[4:13, 5:14] = 40
print(grabcut(dark, [(8, 9, 1)]))

# %% nbgrader={"grade": true, "grade_id": "check_grabcut", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("grabcut", grabcut)

# %% [markdown]
# ## 4. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 9.3 · `simulate_click` · difficulty 3 of 3 · 20 minutes · 4 points
#
# Click where a patient user would click.
#
# - `prediction` and `target`: tensors H x W of 0 and 1, bool, uint8 or int64
# - a pixel of the object in the target and not in the prediction is *missing*; the other way round it is *too much*
# - The depth of a wrong pixel is its straight (Euclidean) distance to the nearest pixel without this kind of mistake. The two kinds are
#   measured apart. Beyond the image, nothing is wrong
# - the click goes to the deepest wrong pixel of all. If several are equally deep, any of them will do
# - returns (row, column, label), label 1 if the object is missing there and 0 if there is too much; None if nothing is wrong
#
# An answer never changes its inputs.
#
# <details><summary>Hint 1: depth</summary>
# <code>scipy.ndimage.distance_transform_edt(wrong)</code> gives each pixel of <code>wrong</code> its distance to the nearest zero.
# </details>
# <details><summary>Hint 2: the frame</summary>
# <code>np.pad(wrong, 1)</code> surrounds the mistakes by zeros. Cut this border off afterwards.
# </details>
# <details><summary>Hint 3: from the deepest pixel to row and column</summary>
# <code>depth.argmax()</code> counts pixels row by row. <code>np.unravel_index(number, depth.shape)</code> turns it into row and column.
# </details>


# %% nbgrader={"grade": false, "grade_id": "simulate_click", "locked": false, "schema_version": 3, "solution": true, "task": false}
def simulate_click(prediction, target):
    """Return the next click (row, column, label), deepest inside a mistake; None if there is none."""
    raise NotImplementedError("Exercise 9.3")


# %% tags=["raises-exception"]
missing = torch.zeros(5, 7, dtype=torch.int64)
missing[1:4, 2:5] = 1
print(simulate_click(0 * missing, missing), simulate_click(missing, 0 * missing))

# %% nbgrader={"grade": true, "grade_id": "check_simulate_click", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("simulate_click", simulate_click)

# %% [markdown]
# ## 5. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 9.4 · `number_of_clicks` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Count the clicks to a good mask.
#
# - `segment(clicks)` returns a mask H x W, a tensor of 0 and 1, for the list of all clicks so far, the newest one last
# - `next_click(prediction, target)` returns the user's next click. The first prediction is an empty mask, later ones are the newest mask
# - `target`: the true mask, an int64 tensor H x W of 0 and 1, never an empty one
# - the user stops as soon as the IoU of mask and target, for the object, is at least the threshold, and gives up after `limit` clicks
# - `threshold`: a number from 0 to 1; 0.85 if it is not given. `limit`: an int, 1 or larger; 20 if it is not given
# - returns the number of clicks, an int; the limit if the user gives up
#
# An answer never changes its inputs.
#
# <details><summary>Hint 1: one turn of the loop</summary>
# Ask the user for a click, append it to the list, ask the method for a mask, compare. In this order.
# </details>
# <details><summary>Hint 2: IoU</summary>
# Pixels that are 1 in both masks, divided by pixels that are 1 in at least one of them.
# </details>


# %% nbgrader={"grade": false, "grade_id": "number_of_clicks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def number_of_clicks(segment, next_click, target, threshold=0.85, limit=20):
    """Count the clicks after which the mask's IoU reaches the threshold; at most `limit`."""
    raise NotImplementedError("Exercise 9.4")


# %% tags=["raises-exception"]
def third_time_right(clicks):
    """Return the object after three clicks, and nothing before."""
    return missing * (len(clicks) >= 3)


print(number_of_clicks(third_time_right, lambda prediction, target: (2, 3, 1), missing))

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
