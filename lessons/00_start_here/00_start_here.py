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
# # Start here
#
# A notebook is text and code on one page: you read, you run, you change something and run it again. This notebook shows how the
# course's notebooks work and checks that your machine is ready. Nothing here is graded.
#
# It takes about 20 minutes. Run the cells in order, with Shift + Enter. All cells together run for less than half a minute.

# %% [markdown]
# ## What you will be able to do
#
# - tell whether this machine is ready for the course, and what to do if it isn't
# - guess before you run a cell, and know why guessing is worth it
# - read the reply of a check, above all the reply to a wrong answer
# - find your way through a lesson, and hand it in

# %%
import numpy as np
from sklearn.datasets import load_sample_image

import segcourse
from segcourse import check, exercises, load_dataset, show_image, show_results
from segcourse.classical import otsu
from segcourse.course import doctor, lessons
from segcourse.exercises.engine.display import Reply
from segcourse.grading.submissions import preview
from segcourse.plotting import outline, show_curves
from segcourse.widgets import predict, threshold_explorer

# %% [markdown]
# ## 1. What segmentation is
#
# Semantic segmentation gives every pixel of a picture a class. Here is a photograph, and the outline of the class "flower". The
# simplest possible method drew it, a threshold: every bright pixel is called flower.

# %%
photo = load_sample_image("flower.jpg")  # a real photograph, 427 x 640 pixels, red, green, blue
mask = 1 - otsu(photo)  # 1 where a pixel is brighter than the threshold, else 0
titles = ["photograph", "outline of the mask"]
show_image([photo, outline(photo, mask)], titles, alt="A flower, and its outline.")
print(f"the mask is an array of {tuple(mask.shape)} numbers; {mask.float().mean():.0%} of them are 1")

# %% [markdown]
# The method knows nothing about flowers. It works here because the flower is bright and the background is dark.
#
# Most pictures of the course show skin with a lesion, and the two classes are *skin* (0) and *lesion* (1). These pictures are drawn
# by code, so that every lesson works without a download. Lesson 6 will use real ones. A lesson is darker than skin, so now the dark
# pixels form the mask.
#
# To say how good a mask is, we compare the mask with the *ground truth*, the correct mask. The **Dice score** is twice the area
# that both masks share, divided by the sum of their areas: 1 for equal masks, 0 for masks that share nothing. **IoU** is the shared
# area divided by the area that the two masks cover together.

# %%
lesions = load_dataset("lesions", "test", size=128, count=12)
samples = sorted(lesions, key=lambda sample: segcourse.dice_score(otsu(sample.image), sample.mask))
chosen = [samples[0], samples[6], samples[-1]]  # the worst, a middling one, the best
images, truths = [sample.image for sample in chosen], [sample.mask for sample in chosen]
show_results(images, truths, [otsu(image) for image in images], palette=lesions.palette)

# %% [markdown]
# The last column is a map of right and wrong pixels. White pixels are lesion that was found. The two other colours are the two ways
# to be wrong: a *false positive* is skin called lesion, a *false negative* is lesion called skin. A threshold can't tell a lesion
# from a hair or a dark corner. The networks of this course can.

# %% [markdown]
# ## 2. Is this machine ready?
#
# `segcourse doctor` in a terminal prints the same list (in JupyterLab: *File → New → Terminal*). A line with ✗ says what to do. A
# line with – is something that you may not need.

# %%
print(doctor.table(doctor.machine()))

# %% [markdown]
# ## 3. Predict before you run
#
# Before the interesting results, a lesson asks for a guess. A wrong guess costs nothing and isn't recorded. But guessing makes you
# notice the answer, and you remember what surprised you.
#
# Run the cell, then click on your guess. The answer unfolds below it. Here, `uint8` is the usual type of pictures: whole numbers
# from 0 to 255.

# %%
question = "A pixel of 200 gets brighter by 100. What is it then, in uint8?"
with predict(question, ["300", "255", "44", "an error"]) as reveal:
    brighter = np.array([200], dtype=np.uint8) + np.array([100], dtype=np.uint8)
    print(brighter)
    reveal(str(brighter[0]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# uint8 starts again at 0 after 255, so 300 becomes 300 - 256. A bright pixel turned dark, and no warning said so. That is why the
# course's networks work with floats from 0 to 1, and its masks hold class ids, 0 and 1, not the 0 and 255 that a file may hold.
# </details>
#
# The cell doesn't wait for you: when you run all cells, the questions stay open, and you can guess later. A saved notebook keeps
# them.

# %% [markdown]
# ## 4. What a check says
#
# An exercise is a cell with an empty function. Below it, one cell tries the function on a tiny input, and another cell checks it.
# An empty function raises `NotImplementedError` when it is called. Its check then only says "not started yet".

# %%
def dice_score(prediction, target):
    """Say how well two masks overlap; you will write this function in lesson 5."""
    raise NotImplementedError


check("dice_score", dice_score)

# %% [markdown]
# Now a wrong answer that many people write first: the fraction of the pixels that agree.

# %%
def agreement(prediction, target):
    """A wrong Dice score: the fraction of pixels in which two masks agree."""
    return (prediction == target).double().mean(dim=(-2, -1))


check("dice_score", agreement)

# %% [markdown]
# Read the reply from the top:
#
# 1. The points. Each label below them is a group of test cases, and a group gives its points when all its cases are right.
# 2. *What happened* explains the mistake if your results match a known one. Otherwise it says so, and never guesses.
# 3. A small case where the mistake shows, with two lines of code that you can paste into a cell: what was expected, and what your
#    function returned.
#
# You can check as often as you like, and nothing is counted. When a class is graded, the same kinds of cases come with new random
# numbers, so only an answer that works in general earns the points.
#
# **Practice.** Change `mean` to `sum` in the cell above, run it again, and read the new reply. A right answer gets this one:

# %%
Reply(exercises.assess("dice_score", segcourse.dice_score, own=False))

# %% [markdown]
# (This is the library's own function. `own=False` allows it here. In an exercise, the check asks for your own work.)

# %% [markdown]
# ## 5. A picture that answers
#
# Some pictures have a slider. Here, every pixel darker than the threshold is called lesion. Move the slider. Where is the outline
# best for your eyes, and where is the Dice score best?

# %%
sample = chosen[1]
grey = (sample.image.mean(dim=0) * 255).round()
options = {"below": True, "threshold": 100, "palette": lesions.palette}
explorer = threshold_explorer(sample.image, grey, sample.mask, **options)

# %%
question = "How wide is the range of thresholds that give at least 90 % of the best Dice?"
with predict(question, {"under 10": 0, "10 to 30": 10, "over 30": 30.1}) as reveal:
    label = {"xlabel": "threshold (grey value, 0 to 255)", "ylabel": "Dice"}
    show_curves({"one lesion": explorer.dice}, explorer.thresholds, **label)
    best, pairs = max(explorer.dice), zip(explorer.thresholds, explorer.dice, strict=True)
    good = [threshold for threshold, dice in pairs if dice >= 0.9 * best]
    print(f"best Dice {best:.2f}; at least 90 % of it from threshold {good[0]} to {good[-1]}")
    reveal(good[-1] - good[0])

# %% [markdown]
# The curve is the slider's whole range in one picture. Such pictures stay alive in a saved notebook. On a page without scripts (a
# printout, for example) each shows one position.

# %% [markdown]
# ## 6. How a lesson is laid out
#
# | part | what to do with it |
# | --- | --- |
# | objectives, minutes, a picture of the end | decide whether you have time for it today |
# | a question, your guess, the surprise, the idea | run cell by cell; change a number, run again |
# | an exercise | its header shows difficulty, minutes and points; hints are folded and open one by one |
# | the ladder | one chart that grows through the course: every method on the same held-out lesions, and how far people agree |
# | when it goes wrong | repair broken code that shows a real symptom |
# | five lines, and where to read on | come back to them the next day |
#
# Two habits save hours. A notebook remembers what you ran, not what is written. When something is odd, choose *Kernel → Restart
# Kernel and Run All Cells*. And print `x.shape` before you think.

# %% [markdown]
# ## 7. Handing in
#
# Save the notebook. Then ask in a terminal whether it is ready. This executes nothing in the notebook:
#
# `segcourse doctor 05_losses_metrics.ipynb`
#
# For a lesson that nobody has started, the doctor says:

# %%
print(doctor.table(preview.findings(lessons.find("05") / "05_losses_metrics.ipynb")))

# %% [markdown]
# Graded are the exercise cells and whatever they need from the rest of the notebook. You may add cells, and you may delete cells
# that are not part of an exercise. Long demonstrations are skipped. Nobody sees your guesses.
#
# ## 8. Without your own machine
#
# The notebooks also open in Google Colab (*File → Upload notebook*). Add a cell at the top that installs the course from the address
# that your teacher gives you, `%pip install` and the address, and run that cell first. Colab deletes files when you leave, so
# download the notebook. Every lesson runs without a GPU.

# %% [markdown]
# ## 9. In five lines
#
# 1. `segcourse doctor` says whether the machine is ready. With a notebook's name, it says whether the notebook is ready to hand in.
# 2. Guess first. A guess costs nothing, and it makes you notice the answer.
# 3. A check names the mistake if it knows it, and shows a small case.
# 4. Here, pictures are floats from 0 to 1 and masks are class ids. uint8 wraps around without a warning.
# 5. When something is odd, restart the kernel and run all cells.
#
# **Next:** lesson 3, the U-Net, or lesson 5, losses and metrics. The numbers have gaps because the other lessons are still being
# written. Lessons 3 and 5 need no other lesson.
