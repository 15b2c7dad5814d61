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
# # Lesson 10 · Clinic
#
# TODO: why this matters, how many minutes the lesson takes, and which lessons it builds on.

# %% [markdown]
# ## What you will be able to do
#
# - TODO: `mask_to_save`
# - TODO: `loss_and_mask`
# - TODO: `read_mask`
# - TODO: `iou_of_batch`
# - TODO: `predict_with_flips`
# - TODO: `pixel_loss`
# - TODO: `validation_loss`
# - TODO: `turn_pair`
# - TODO: `split_names`
# - TODO: `to_batch`

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
# ### Exercise 10.1 · `mask_to_save` · difficulty 1 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "mask_to_save", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mask_to_save(logits):
    """Return masks, integers N x H x W, 0 for skin and 255 for lesion, of logits N x 1 x H x W."""
    ids = logits.argmax(dim=1)
    return ids.byte() * 255


# %% tags=["raises-exception"]
print(mask_to_save(logits=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_mask_to_save", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("mask_to_save", mask_to_save)

# %% [markdown]
# ## 3. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.2 · `loss_and_mask` · difficulty 2 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "loss_and_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def loss_and_mask(model, images, masks):
    """Return a batch's loss and its predicted masks, bool N x H x W; the model ends in a sigmoid."""
    output = model(images)[:, 0]  # N, H, W
    loss = F.binary_cross_entropy_with_logits(output, masks.float())
    return loss, output.sigmoid() > 0.5


# %% tags=["raises-exception"]
print(loss_and_mask(model=..., images=..., masks=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_loss_and_mask", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("loss_and_mask", loss_and_mask)

# %% [markdown]
# ## 4. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.3 · `read_mask` · difficulty 1 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "read_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def read_mask(pixels):
    """Return the mask in a file, uint8 H x W, as a float tensor 1 x H x W: 0 for skin, 1 for lesion."""
    return torch.from_numpy(pixels).float()[None]  # 1, H, W


# %% tags=["raises-exception"]
print(read_mask(pixels=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_read_mask", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("read_mask", read_mask)

# %% [markdown]
# ## 5. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.4 · `iou_of_batch` · difficulty 2 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "iou_of_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iou_of_batch(prediction, target):
    """Return the IoU of all pixels of a batch, a scalar tensor: N x 1 x H x W against N x H x W."""
    intersection = (prediction * target).sum()
    union = prediction.sum() + target.sum() - intersection
    return intersection / union


# %% tags=["raises-exception"]
print(iou_of_batch(prediction=..., target=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_iou_of_batch", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("iou_of_batch", iou_of_batch)

# %% [markdown]
# ## 6. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.5 · `predict_with_flips` · difficulty 1 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "predict_with_flips", "locked": false, "schema_version": 3, "solution": true, "task": false}
def predict_with_flips(model, images):
    """Return the mean logits N x C x H x W of four views: unchanged, left to right, upside down, both."""
    total = 0
    for axes in [(), (-1,), (-2,), (-2, -1)]:
        total = total + model(images.flip(axes))
    return total / 4


# %% tags=["raises-exception"]
print(predict_with_flips(model=..., images=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_predict_with_flips", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("predict_with_flips", predict_with_flips)

# %% [markdown]
# ## 7. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.6 · `pixel_loss` · difficulty 2 of 3 · 10 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "pixel_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pixel_loss(logits, target):
    """Return the mean cross-entropy per pixel, a scalar tensor: logits N x C x H x W, class ids N x H x W."""
    p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)  # N, C, H, W
    return -p.gather(1, target[:, None]).log().mean()


# %% tags=["raises-exception"]
print(pixel_loss(logits=..., target=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_pixel_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("pixel_loss", pixel_loss)

# %% [markdown]
# ## 8. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.7 · `validation_loss` · difficulty 2 of 3 · 10 minutes · 3 points
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


# %% nbgrader={"grade": false, "grade_id": "validation_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def validation_loss(model, batches):
    """Return the mean loss of the batches (images, masks), a float."""
    losses = []
    for images, masks in batches:
        losses.append(F.cross_entropy(model(images), masks))
    return torch.stack(losses).mean().item()


# %% tags=["raises-exception"]
print(validation_loss(model=..., batches=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_validation_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check("validation_loss", validation_loss)

# %% [markdown]
# ## 9. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.8 · `turn_pair` · difficulty 1 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "turn_pair", "locked": false, "schema_version": 3, "solution": true, "task": false}
def turn_pair(image, mask, turns, mirrored):
    """Turn an image C x H x W and its mask H x W by quarter turns; then mirror them, or not."""
    image, mask = image.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
    if mirrored:
        image, mask = image.flip(1), mask.flip(1)
    return image, mask


# %% tags=["raises-exception"]
print(turn_pair(image=..., mask=..., turns=..., mirrored=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_turn_pair", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("turn_pair", turn_pair)

# %% [markdown]
# ## 10. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.9 · `split_names` · difficulty 2 of 3 · 10 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "split_names", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_names(names, every):
    """Return the places in `names` of the files for training and for validation: two lists of integers."""
    val = list(range(0, len(names), every))
    return [i for i in range(len(names)) if i not in val], val


# %% tags=["raises-exception"]
print(split_names(names=..., every=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_split_names", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("split_names", split_names)

# %% [markdown]
# ## 11. TODO: a question
#
# TODO: predict before you run; a surprise with a number; the idea.

# %% [markdown]
# ### Exercise 10.10 · `to_batch` · difficulty 1 of 3 · 5 minutes · 2 points
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


# %% nbgrader={"grade": false, "grade_id": "to_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_batch(images):
    """Return a batch, float N x 3 x H x W from 0 to 1, of a list of uint8 arrays H x W x 3."""
    batch = torch.from_numpy(np.stack(images)).float() / 255  # N, H, W, 3
    count, height, width, channels = batch.shape
    return batch.reshape(count, channels, height, width)  # N, 3, H, W


# %% tags=["raises-exception"]
print(to_batch(images=...))  # TODO: a tiny input and its shape

# %% nbgrader={"grade": true, "grade_id": "check_to_batch", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("to_batch", to_batch)

# %% [markdown]
# ## 12. The ladder
#
# TODO: this lesson's method beside the earlier ones, on the same images.

# %% [markdown]
# ## 13. When it goes wrong
#
# TODO: two or three broken snippets to repair.

# %% [markdown]
# ## 14. In five lines
#
# TODO: the summary, a table of what to use when, and where to read on.
