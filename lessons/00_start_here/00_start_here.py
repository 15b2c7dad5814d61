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
# A notebook is text and code in one page: you read, you run, you change something and run it again. This one
# shows how the course's notebooks work, and looks whether your machine is ready for them. Nothing here is
# graded.
#
# About 15 minutes. Run the cells in order, with Shift + Enter. All of them together take less than half a
# minute.

# %% [markdown]
# ## What you will be able to do
#
# - tell whether this machine is ready for the course, and what to do where it is not
# - commit to a guess before you run a cell, and know why that is worth it
# - read what a check says about an answer, a wrong one above all
# - find your way through a lesson, and hand it in

# %%
import statistics
import time

import cv2
import numpy as np
import torch

import segcourse
from segcourse import check, exercises, load_dataset, show_results
from segcourse.course import doctor, lessons
from segcourse.exercises.engine.display import Reply
from segcourse.grading.submissions import preview
from segcourse.widgets import predict, reveal, threshold_explorer

# %% [markdown]
# ## 1. Where this leads
#
# Semantic segmentation gives every pixel of a picture a class. In this course there are two most of the time,
# skin and lesion. The pictures below are drawn by code (so that every lesson works offline); lesson 6 takes
# real ones by name.
#
# The third column is the simplest method that there is, a threshold: what is dark is lesion. Yours will do
# better.

# %%
samples = list(load_dataset("lesions", "test", size=128, count=12))


def dark(image):
    """What is darker than Otsu's threshold, which parts the picture's grey values best."""
    grey = (image.mean(dim=0) * 255).to(torch.uint8).numpy()
    return cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)[1]


samples.sort(key=lambda sample: segcourse.dice_score(dark(sample.image), sample.mask).item())
chosen = [samples[0], samples[len(samples) // 2], samples[-1]]  # the worst, a middling one, the best
show_results(
    [sample.image for sample in chosen],
    [sample.mask for sample in chosen],
    [dark(sample.image) for sample in chosen],
    names=["skin", "lesion"],
)

# %% [markdown]
# White is lesion that was found, the two other colours are the two ways to be wrong; the legend names them.
# `Dice` and `IoU` say in one number how good a mask is, 1 at best. Lesson 5 is about what these numbers do
# not say.

# %% [markdown]
# ## 2. Is this machine ready?
#
# `segcourse doctor` in a terminal says the same. A line with ✗ comes with what to do about it; a line with –
# is something that you may not need.

# %%
print(doctor.table(doctor.machine()))

# %% [markdown]
# ## 3. Predict before you run
#
# Before the interesting cells, a lesson asks you to commit to a guess. A wrong one costs nothing and is not
# kept. But it makes the answer news: what surprises you is what you remember, and a cell that you only watch
# rarely surprises.
#
# Pictures come as `uint8`, whole numbers from 0 to 255. Brighten a pixel of 200 by 100:

# %%
predict("np.uint8 arrays: what is [200] + [100]?", ["300", "255, the largest there is", "44", "an error"])

# %%
brighter = np.array([200], dtype=np.uint8) + np.array([100], dtype=np.uint8)
print(brighter)
reveal(
    "44" if brighter[0] == 44 else str(brighter[0]), "300 - 256: uint8 starts again at 0, and says nothing."
)

# %% [markdown]
# **44.** A bright pixel turned dark, without a warning. That is why the course's networks and functions work
# on floats from 0 to 1, and its masks hold class ids, 0 and 1, and not the 0 and 255 that a file holds.
#
# The cell waited for nobody: a notebook that runs by itself goes on without your guess, and then says "You
# made no guess".

# %% [markdown]
# ## 4. What a check says
#
# An exercise is a cell with an empty function and, below it, a cell with its check. An empty function raises
# `NotImplementedError` when it is called; its check then only says "not started yet".

# %%


def dice_score(prediction, target):
    """How well two masks overlap; you will write it in lesson 5."""
    raise NotImplementedError


check("dice_score", dice_score)

# %% [markdown]
# Now a wrong answer, one that many people write first: the share of the pixels that agree. In a lesson its
# check would end with an error, so that "Run all" stops there; here it is caught, so that you can read on.

# %%


def agreement(prediction, target):
    """A wrong Dice score: the share of the pixels in which two masks agree."""
    return (prediction == target).double().mean(dim=(-2, -1))


try:
    check("dice_score", agreement)
except exercises.CheckFailed as failed:
    print("The check ends with:", failed)

# %% [markdown]
# Read it from the top. The first line says what works already and what does not; each of its words is a group
# of cases, and a group gives its points when all its cases are right. *What happened* is a sentence where
# your results equal those of a known mistake; where they equal none, it says so. Then comes the smallest case
# that shows it, small enough to check with a pencil: what was expected, and what yours gave.
#
# You can check as often as you like; nothing is counted. When a class is graded, the same cases come with
# fresh random ones beside them, so that only an answer that works in general earns the points.
#
# **Practice.** Change one thing in `agreement` above, such as `mean` to `sum`, run its cell again, and see
# what the reply makes of it. A right answer gets the reply below. It is the library's own that is shown here,
# and `own=False` allows it; `check` would ask for yours.

# %%
Reply(exercises.assess("dice_score", segcourse.dice_score, own=False))

# %% [markdown]
# ## 5. A picture that answers
#
# Some pictures have a slider. Move this one: lesion is what is darker than the threshold. Where is the Dice
# score best? Is it where the outline looks best to you?

# %%
sample = chosen[1]
grey = (sample.image.mean(dim=0) * 255).round()
explorer = threshold_explorer(sample.image, grey, sample.mask, below=True, threshold=100)

# %% [markdown]
# The slider lives in your browser, the picture is made by Python, and the two talk for every move. Is that
# fast enough to feel like one thing? A blink of the eye takes about 100 to 400 milliseconds.

# %%
bands = {"longer than a blink": 100.0, "10 to 100 ms": 10.0, "less than 10 ms": 0.0}
predict(
    "How long does Python work from the slider's new place to the new picture and its scores?", list(bands)
)

# %%
before, clock, work = explorer.slider.value, [], []
for threshold in range(90, 110):
    started, worked = time.perf_counter(), time.thread_time()
    explorer.slider.value = threshold
    clock.append(1000 * (time.perf_counter() - started))
    work.append(1000 * (time.thread_time() - worked))
explorer.slider.value = before
middle = statistics.median(work)
print(
    f"{len(work)} moves: Python works {middle:.0f} ms on one, and {statistics.median(clock):.0f} ms pass on the clock"
)
reveal(next(band for band, least in bands.items() if middle >= least))

# %% [markdown]
# (Where the clock says much more, the machine is busy with other things.) The way to the browser and back
# comes on top. If you read this on a page where nothing moves (GitHub, a printout), each widget shows its
# picture as it is; nothing else is lost.

# %% [markdown]
# ## 6. How a lesson is laid out
#
# | part | what to do with it |
# | --- | --- |
# | objectives, minutes, the picture of the end | decide whether this is your evening for it |
# | a question, your guess, the surprise, the idea | run cell by cell; change a number, run again |
# | an exercise | its header has difficulty, minutes and points; hints are folded, and open in stages |
# | the ladder | one chart that grows through the course: every method on held-out lesions, and how far people agree |
# | when it goes wrong | broken code with a real symptom, to be repaired |
# | five lines, and where to read on | for the day after |
#
# Two habits save hours. A notebook remembers what was run, not what is written: when something is odd,
# *Kernel → Restart Kernel and Run All Cells*. And print `x.shape` before you think.

# %% [markdown]
# ## 7. Handing in
#
# Save the notebook. Before you hand it in, ask in a terminal whether it is ready; nothing in it is executed:
#
# ``` segcourse doctor 05_losses_metrics.ipynb ```
#
# This is what the doctor says of a lesson that nobody has touched:

# %%
print(doctor.table(preview.findings(lessons.find("05") / "05_losses_metrics.ipynb")))

# %% [markdown]
# What is graded is the exercise cells and whatever they need from the rest of the notebook. You may add
# cells, and you may delete what is not an exercise; long demonstrations are skipped. Nobody sees your
# guesses.
#
# ## 8. Without a machine of your own
#
# The notebooks also open in Google Colab (*File → Upload notebook*). Add one cell at the top that installs
# the course from where your class keeps it, `%pip install` and its address, and run that first. Colab forgets
# files when you leave, so download the notebook. A processor is enough for every lesson.

# %% [markdown]
# ## 9. In five lines
#
# 1. `segcourse doctor` says whether the machine is ready; with a notebook's name, whether that is ready to
#    hand in.
# 2. Guess first. It costs nothing, and it is how the numbers stay with you.
# 3. A check names the mistake if it knows it, and always shows the smallest case where it shows.
# 4. Pictures are floats from 0 to 1 here, masks are class ids; uint8 wraps around without a word.
# 5. When something is odd, restart the kernel and run all cells.
#
# **Next:** lesson 1, if it is in your folder, else the lowest number that is. Lessons 3 and 5 can be read on
# their own.
