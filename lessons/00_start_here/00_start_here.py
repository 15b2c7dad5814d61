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
# A notebook is text and code on one page: you read, you run, you change something and run it again. This notebook shows
# how the course's notebooks work and checks whether your machine is ready. Nothing here is graded.
#
# It takes about 20 minutes. Run the cells in order, with Shift + Enter. All cells together run for less than half a
# minute.

# %% [markdown]
# ## What you will be able to do
#
# - tell whether this machine is ready for the course, and what to do if it isn't
# - guess before you run a cell, and know why guessing is worth it
# - read what a *check* (an automatic test of your answer) replies, above all to a wrong answer
# - find your way through a lesson, and hand it in

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
import numpy as np
import torch
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
# Semantic segmentation gives every pixel of a picture a class. Here is a photograph, and the outline of the class
# "flower". The simplest possible method drew this outline. It is a *threshold*: a number, and every pixel brighter than
# this number is called flower. The result is a *mask*: an array as large as the picture, with one class number per
# pixel.

# %%
photo = load_sample_image("flower.jpg")  # a real photograph, 427 x 640 pixels, red, green, blue
mask = 1 - otsu(photo)  # otsu chooses a threshold and returns 1 where a pixel is darker
titles = ["photograph", "outline of the mask"]
show_image([photo, outline(photo, mask)], titles, alt="A flower, and its outline.")
print(f"the mask is an array of {tuple(mask.shape)} numbers; {mask.float().mean():.0%} of them are 1")

# %% [markdown]
# The method knows nothing about flowers. It works here because the flower is bright and the background is dark.
#
# Most pictures of the course show skin with a lesion, and the two classes are *skin* (0) and *lesion* (1). A *lesion*
# is a conspicuous spot, such as a mole. A program draws these pictures, so that every lesson works without a download.
# Lesson 6 can also use real photographs. Most lesions are darker than skin, so now the dark pixels form the mask.
#
# To say how good a mask is, we compare the mask with the *ground truth*, the correct mask. The **Dice score** is twice
# the shared area, divided by the sum of the two areas. It is 1 for equal masks and 0 for masks that share nothing.
# **IoU** (intersection over union) is the shared area divided by the area that at least one of the masks covers.

# %%
lesions = load_dataset("lesions", "test", size=128, count=12)
samples = sorted(lesions, key=lambda sample: segcourse.dice_score(otsu(sample.image), sample.mask))
chosen = [samples[0], samples[6], samples[-1]]  # the worst, a middling one, the best
images, truths = [sample.image for sample in chosen], [sample.mask for sample in chosen]
show_results(images, truths, [otsu(image) for image in images], palette=lesions.palette)

# %% [markdown]
# The last column is a map of right and wrong pixels. White is lesion that was found, and black is skin that was left alone.
# Red-orange is a *false positive*: skin called lesion. Light blue is a *false negative*: lesion called skin. A threshold can't
# tell a lesion from a dark corner, and it misses pale parts of a lesion. The networks of this course usually do better.

# %% [markdown]
# ## 2. Is this machine ready?
#
# `segcourse doctor` in a terminal prints the same list (in JupyterLab: *File → New → Terminal*). A line with ✗ says
# what to do. A line with – reports something optional.

# %%
print(doctor.table(doctor.machine()))

# %% [markdown]
# ## 3. Predict before you run
#
# Before the interesting results, a lesson asks for a guess. A wrong guess costs nothing and isn't recorded. Guessing
# makes you notice the answer, and you remember what surprised you.
#
# Run the cell, then click on your guess. The answer unfolds below it. `uint8` is the type in which most picture files store their
# pixels: whole numbers from 0 to 255.

# %%
question = "A uint8 array holds a pixel of 200. You add 100. What is its value now?"
with predict(question, ["300", "255", "44", "an error"]) as reveal:
    brighter = np.array([200], dtype=np.uint8) + np.array([100], dtype=np.uint8)
    print(brighter)
    reveal(str(brighter[0]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# uint8 starts again at 0 after 255, so 300 becomes 300 - 256. A bright pixel turned dark, and no warning said so. Floats don't
# start again. This is one reason why the networks of this course get floats from 0 to 1.
# </details>
#
# The cell doesn't wait for you: when you run all cells, the questions stay unanswered, and you can guess later. A saved
# notebook still lets you guess.

# %% [markdown]
# ## 4. What a check says
#
# An exercise is a cell with an empty function. Below it, one cell tries the function on a tiny input, and another cell
# checks it. An empty function raises `NotImplementedError` when it is called. Its check then says only "not started
# yet".


# %%
def dice_score(prediction, target):
    """Say how well two masks overlap; you will write this function in lesson 5."""
    raise NotImplementedError


check("dice_score", dice_score)

# %% [markdown]
# Here is a wrong answer that many people write first. It returns the fraction of the pixels in which the masks agree.


# %%
def dice_score(prediction, target):
    """Return the fraction of pixels in which two masks agree (which is not the Dice score)."""
    return (prediction == target).double().mean(dim=(-2, -1))


check("dice_score", dice_score)

# %% [markdown]
# Read the reply from the top:
#
# 1. The points. Each label below them is a group of test cases, and a group gives its points when all its cases are
#    right.
# 2. *What happened* explains the mistake if the check recognises it. Otherwise it says that it doesn't know the
#    mistake.
# 3. A small case where the mistake shows: the input, what was expected, and what your function returned. Two lines of
#    code repeat the case in a cell of your own.
#
# You can check as often as you like, and nothing is counted. For grading, the same kinds of cases come with new random
# numbers. So only an answer that works in general earns the points.
#
# **Practice.** Change `mean` to `sum` in the wrong answer, run its cell again, and read the new reply. A right answer
# gets the reply below. (It is shown for the library's own function, and `own=False` allows that. In an exercise, the
# check asks for your own work.)

# %%
Reply(exercises.assess("dice_score", segcourse.dice_score, own=False))

# %% [markdown]
# ## 5. A picture that answers
#
# Some pictures have a slider. Here, every pixel darker than the threshold is called lesion. Move the slider. Where does
# the outline look best to you, and where is the Dice score best?

# %%
sample = chosen[1]
grey = (sample.image.mean(dim=0) * 255).round()
options = {"below": True, "threshold": 100, "palette": lesions.palette}
explorer = threshold_explorer(sample.image, grey, sample.mask, **options)

# %%
question = "How wide is the range of thresholds that give at least 90 % of the best Dice?"
answers = {"under 10": 0, "10 to 30": 10, "over 30": 30.1}  # each with the smallest number in it
with predict(question, answers) as reveal:
    label = {"xlabel": "threshold (grey value, 0 to 255)", "ylabel": "Dice"}
    show_curves({"one lesion": explorer.dice}, explorer.thresholds, **label)
    best, pairs = max(explorer.dice), zip(explorer.thresholds, explorer.dice, strict=True)
    good = [threshold for threshold, dice in pairs if dice >= 0.9 * best]
    print(f"best Dice {best:.2f}; at least 90 % of it from threshold {good[0]} to {good[-1]}")
    reveal(good[-1] - good[0])

# %% [markdown]
# The curve shows the whole range of the slider at once. Pictures with a slider also work in a saved notebook. Without
# scripts (in a printout, for example) they show one position.

# %% [markdown]
# ## 6. How a lesson is laid out
#
# | part | what to do with it |
# | --- | --- |
# | objectives, minutes, a picture of the result | decide whether you have time for it today |
# | a question, your guess, the surprise, the idea | run cell by cell; change a number, run again |
# | an exercise | its header shows difficulty, minutes and points; hints are folded and open one by one |
# | the ladder | one chart that grows through the course: every method on the same lesions, which no method was trained on, and how well two people agree |
# | when it goes wrong | repair broken code that shows a real symptom |
# | five lines, and where to read on | read them again the next day |
#
# Two habits save hours. A notebook remembers what you ran, not what the cells say now. When something is odd, choose
# *Kernel → Restart Kernel and Run All Cells*. And print `x.shape` before you think.

# %% [markdown]
# ## 7. Handing in
#
# Every lesson with exercises ends with a cell that says whether the notebook is ready, and which file to hand in. It
# reads the saved file, so save first. Then it runs your answers and their checks in a new kernel. This finds what only
# the old kernel knew: a cell that you deleted, or cells in another order. In a terminal, in the folder of the lesson,
# this does the same:
#
# `segcourse doctor 05_losses_metrics.ipynb`
#
# For an untouched lesson 5, there is nothing to run, and the doctor says:

# %%
print(doctor.table(preview.findings(lessons.find("05") / "05_losses_metrics.ipynb")))

# %% [markdown]
# Grading draws other cases than the checks, so the doctor can't know your grade. Give the file that it names to your
# teacher in the way that your class uses. Only the exercise cells are graded, with whatever
# they need from the rest of the notebook. You may add cells, and you may delete cells that are not part of an exercise.
# Grading skips long demonstrations. Nobody sees your guesses.
#
# ## 8. Without your own machine
#
# The notebooks also open in Google Colab (*File → Upload notebook*). Run the first code cell of the lesson: it installs
# the course and changes nothing that Colab brings. The cell says what to upload before, if anything. Colab deletes its
# machine when you leave. *File → Save a copy in Drive* keeps the notebook, and `colab.keep("my_model.safetensors")` also
# keeps files that you name. Every lesson runs without a GPU.

# %% [markdown]
# ## 9. In five lines
#
# 1. `segcourse doctor` says whether the machine is ready. With a notebook's name, it says whether the notebook is ready
#    to hand in.
# 2. Guess first. A guess costs nothing, and it makes you notice the answer.
# 3. A check names the mistake if it knows it, and shows a small case.
# 4. In this course, pictures are floats from 0 to 1 and masks hold class ids. A uint8 array wraps around without a
#    warning.
# 5. When something is odd, restart the kernel and run all cells.
#
# **Next:** lesson 1, masks without a network. If you know PyTorch and want to build a network at once, begin with lesson
# 3, the U-Net: it needs no other lesson.
