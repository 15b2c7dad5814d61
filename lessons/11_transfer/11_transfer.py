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
# # Lesson 11 · Transfer: your own images, the same commands
#
# Skin lesions were the example of this course. The same commands work for a map of forests, for scratches on metal, and
# for a tumour in a scan. What changes is what can go wrong *before* training: how masks are stored, which images belong
# together, and what an image without a mask means.
#
# Each of the three sections is about one field and begins with a folder. The folders here are miniatures, drawn by
# code, so that everything runs offline: they show the difficulties of the field, and their scores say nothing about
# real images. To run a section on your images, set the variable in its first cell to your folder. A comment with the
# word *your* marks each further line that you may have to change.
#
# Nothing here is graded, and the three sections don't need each other. Reading takes about 15 minutes. The cells run
# for about a minute on two processor cores.

# %% [markdown]
# ## What you will be able to do
#
# - check a folder before you train, and repair what the check finds
# - choose a split that tells you the truth: by region, by product, by patient
# - train on a rare class, and on good examples that have no mask
# - turn the measured values of a scan into grey values that show what you look for

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
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from segcourse import Segmenter, show_image, show_results
from segcourse.course import lessons, miniatures
from segcourse.data import read_image, read_mask
from segcourse.data.pairing import match_files, pairs_from_csv
from segcourse.data.splits import groups_of, held_out
from segcourse.widgets import predict

os.environ["PATH"] = lessons.lab_environment()["PATH"]  # ! then finds the segcourse of this notebook
work = Path(tempfile.mkdtemp())  # for the miniatures and the runs
small = "--width 8 --batch 2 --lr 0.003 --epochs 8"  # for miniatures; for your images, use small = ""

# %% [markdown]
# A line that begins with `!` runs in a terminal: type it there without the `!`. Two commands come back in each section.
#
# | command | what it does |
# | --- | --- |
# | `segcourse data check FOLDER` | opens every file, and lists what would hurt a training |
# | `segcourse fit --data FOLDER` | trains for ten minutes, or as long as you say, and writes the model, the scores and pictures |

# %% [markdown]
# ## 1. Land cover from satellite images
#
# One scene of a satellite is cut into many *tiles*. Each pixel is water, forest, field or built-up land. Clouds hide
# some of it: what is below is *unknown*.

# %%
land = work / "land"  # or your own folder: land = Path("my_tiles")
if land.parent == work:
    miniatures.land_cover(land)
# !segcourse data check "{land}"

# %% [markdown]
# The masks are stored as colours, as often in this field. The check says what to do: a text file names the colours.
# `unknown` is no class that a network should learn. With `--void` it is ignored; leave `--void` out if your masks
# have no such colour.

# %%
meaning = f'--palette "{land}/classes.txt" --void unknown'  # if your masks hold class ids: meaning = ""
if (land / "classes.txt").exists():
    print((land / "classes.txt").read_text())
# !segcourse data check "{land}" {meaning}

# %% [markdown]
# Now the split. By default, a fifth of the tiles validates, drawn at random.

# %%
group = r"region\d+"  # finds the region in region3_row0_column1; in your names, another expression
pairs = match_files(land).pairs
tiles = held_out(pairs)
regions = groups_of(pairs, group)
seen = {region for i, region in enumerate(regions) if i not in tiles}
question = f"{len(tiles)} tiles validate. How many come from a region that training has seen?"
with predict(question, {"none": 0, "about half": 1, "all of them": len(tiles)}) as reveal:
    known = sum(regions[i] in seen for i in tiles)
    print(f"{known} of {len(tiles)} validation tiles, from regions {sorted({regions[i] for i in tiles})}")
    reveal(known)

# %% [markdown]
# <details><summary>Why does it matter?</summary>
#
# Tiles of one region share light, season and soil, and an object on the border lies in two of them. A network that has
# seen the neighbours gets a score that it won't reach in a new region. It is the same mistake as one patient on both
# sides of a split. </details>
#
# `--split` takes a regular expression that finds the group in a file's name, here `region\d+`. A satellite image has no
# top and bottom, so `--augment any` also turns it.

# %%
split = f'--split "{group}" --augment any'
# !segcourse fit --data "{land}" {meaning} {split} {small} --out "{work}/land_run" --force

# %%
segmenter = Segmenter.load(work / "land_run" / "model.safetensors")
unseen = pairs_from_csv(work / "land_run" / "split.csv", split="val")[0]
tile = read_image(unseen.image)
alt = "A satellite tile that the network has not seen, and its predicted classes as colours."
found = segmenter.predict(tile)
show_results(tile, pred_mask=found, palette=segmenter.palette, titles=["unseen tile"], alpha=1, alt=alt)

# %% [markdown]
# Look at the white cloud: it got a class, because the network has never learned what a cloud is. What is ignored in
# training is not found later, so mask the clouds before you count areas.
#
# **On your own images.** A whole scene is too large for one forward pass, so cut it. segcourse reads images of up to
# 89 million pixels; to predict such a large one, use `segcourse predict --tile 512`, which blends the seams.
# segcourse turns every image into three channels of 8 bits. Choose three bands, and scale their values to 0 to 255 in
# the same way for every scene. Keep the coordinates in the file names: a PNG has none.
#
# **Read on.** Demir et al. 2018, *DeepGlobe* (arXiv 1805.06561), and Wang et al. 2021, *LoveDA* (arXiv 2110.08733), are
# open data sets of land cover. LoveDA separates cities from villages, to measure what happens in a new region.

# %% [markdown]
# ## 2. Defects in production
#
# A camera looks at every plate that leaves a machine. Most plates are good, and a scratch is a few pixels wide.

# %%
plates = work / "plates"  # or your own folder: plates = Path("my_plates")
if plates.parent == work:
    miniatures.plates(plates)
# !segcourse data check "{plates}"

# %% [markdown]
# Somebody drew masks for the scratches only. A missing mask could mean "good" or "not looked at yet", and only you know
# which. If it means good, an all-black mask says so. Don't leave good plates out: without them, a network learns that
# there is always a scratch.

# %%
missing_means_good = plates.parent == work  # for your own plates you decide, and then files are written
matches = match_files(plates)
for path in matches.images_alone if missing_means_good else []:
    black = np.zeros(read_image(path).shape[:2], np.uint8)
    with (matches.pairs[0].mask.parent / f"{path.stem}_mask.png").open("xb") as file:  # x: overwrites nothing
        Image.fromarray(black).save(file, "PNG")
# !segcourse data check "{plates}"

# %%
masks = [read_mask(pair.mask) > 0 for pair in match_files(plates).pairs]
with predict("What share of all pixels is scratched?", {"0.5 %": 0, "5 %": 0.02, "20 %": 0.1}) as reveal:
    share = np.mean([mask.mean() for mask in masks])
    print(
        f"{share:.2%} of the pixels; {np.mean([not mask.any() for mask in masks]):.0%} of the plates are good"
    )
    reveal(share)

# %% [markdown]
# A network that never finds a scratch is right almost everywhere, as lesson 5 showed. So the scratch must count more:
# `--class-weights 1,10` makes a scratched pixel count ten times in the cross-entropy. `--loss focal+dice` is another
# way.

# %%
rare = "--class-names metal,scratch --class-weights 1,10 --augment any"  # your names; if parts never turn, upright
# !segcourse fit --data "{plates}" {rare} {small} --out "{work}/plates_run" --force

# %%
segmenter = Segmenter.load(work / "plates_run" / "model.safetensors")
unseen = pairs_from_csv(work / "plates_run" / "split.csv", split="val")
scratched = [pair for pair in unseen if read_mask(pair.mask).any()][:2] or unseen[:2]
images = [read_image(pair.image) for pair in scratched]
truths = [read_mask(pair.mask) > 0 for pair in scratched]
found = [segmenter.predict(image) for image in images]
titles = [f"unseen: {pair.name}" for pair in scratched]
show_results(images, truths, found, palette=segmenter.palette, titles=titles)

# %% [markdown]
# **On your own images.** Split by product or by day if plates of one batch look alike (`--split`). Dice per image
# means little when most masks are empty. What a factory asks is: how many bad plates pass, and how many good plates
# are thrown away? The `shares.csv` of `segcourse predict` lists the share of each class per image. Call a plate bad
# if more than, say, 0.1 % of it is scratch; count both errors, and try other limits. If there are no masks at all,
# look for *anomaly detection*, which learns from good parts only.
#
# **Read on.** Tabernik et al. 2019, *Segmentation-based deep-learning approach for surface-defect detection* (arXiv
# 1903.08536).

# %% [markdown]
# ## 3. Medical scans
#
# A CT scan is a stack of slices, and its values are not grey values but *Hounsfield units*: air is -1000, water is 0, bone is
# about 1000. In this organ, a lesion differs by 40 units from the tissue around it. A usual screen and an 8-bit image file have
# 256 grey values.

# %%
# {"patient0_slice0": (Hounsfield units, mask), …}, both H x W; for your scans, see the end of this section
scans = miniatures.scans()
low, high = -100, 200  # your window


def window(units, low, high):
    """Map low … high Hounsfield units to the grey values 0 … 255; anything outside is black or white."""
    return ((units - float(low)) / (high - low) * 255).clip(0, 255).round().astype(np.uint8)


# %%
question = (
    "Store the range of a CT file, -1024 to 3071, in 256 grey values. How far apart are lesion and organ?"
)
with predict(question, {"2 grey values": 0, "20": 10, "60": 40}) as reveal:
    units, mask = next(iter(scans.values()))
    wide, narrow = (window(np.array([60.0, 100.0]), *limits) for limits in ((-1024, 3071), (low, high)))
    titles = ["-1024 to 3071", f"{low} to {high}"]
    panels = [window(units, -1024, 3071), window(units, low, high)]
    show_image([np.stack([p] * 3, -1) for p in panels], titles, alt="One slice in two windows.")
    print(
        f"wide window: {int(wide[1]) - int(wide[0])} grey values; narrow: {int(narrow[1]) - int(narrow[0])}"
    )
    reveal(int(wide[1]) - int(wide[0]))

# %% [markdown]
# <details><summary>Why?</summary>
#
# The wide window spends most of its grey values on air, bone and metal. A *window* keeps the range that matters.
# Radiologists do the same on their screens, with one window for lungs and another one for the liver. A network can't
# see what the file no longer holds. </details>
#
# So convert first, with one window for all scans, and write slices as PNG files. The name holds the patient.

# %%
folder = Path(tempfile.mkdtemp(dir=work))  # new at each run, so that no old slices stay in it
for part in ("images", "masks"):
    (folder / part).mkdir()
for name, (units, mask) in scans.items():
    Image.fromarray(window(units, low, high)).save(folder / "images" / f"{name}.png")
    Image.fromarray(np.uint8(mask)).save(folder / "masks" / f"{name}.png")
# !segcourse data check "{folder}"

# %% [markdown]
# Neighbouring slices of one patient are nearly the same image. `--split` keeps them together. The liver is nearly always on the
# same side of the body, so a mirrored scan looks unlike a patient, and it is wrong where the classes are left and right.
# `--augment none` is the careful choice. Measure whether `--augment upright`, which mirrors from left to right, helps.

# %%
split = r'--split "patient\d+" --augment none'  # in your names, another expression
# !segcourse fit --data "{folder}" --class-names other,lesion {split} {small} --out "{work}/scans_run" --force

# %%
segmenter = Segmenter.load(work / "scans_run" / "model.safetensors")
unseen = pairs_from_csv(work / "scans_run" / "split.csv", split="val")[::4][:2]
images = [read_image(pair.image) for pair in unseen]
truths = [read_mask(pair.mask) for pair in unseen]
found = [segmenter.predict(image) for image in images]
titles = [f"unseen: {pair.name}" for pair in unseen]
show_results(images, truths, found, palette=segmenter.palette, titles=titles)

# %% [markdown]
# **On your own images.** segcourse reads image files, not NIfTI or DICOM. A NIfTI file holds all slices of a patient, and its
# axes may run in any direction. `as_closest_canonical` gives all files the same directions: to the patient's right, to the front,
# and upwards. An image starts at the top left, and radiologists show the patient's right side on the left. So the snippet
# reverses both axes and transposes each slice:
#
# ```python
# import nibabel
#
# values = nibabel.as_closest_canonical(nibabel.load("patient0.nii.gz")).get_fdata()
# marks = nibabel.as_closest_canonical(nibabel.load("patient0_mask.nii.gz")).get_fdata()
# scans = {f"patient0_slice{k}": (values[::-1, ::-1, k].T, marks[::-1, ::-1, k].T > 0) for k in range(values.shape[2])}
# ```
#
# With pydicom, Hounsfield units are `scan.pixel_array * scan.RescaleSlope + scan.RescaleIntercept`. MRI has no such
# unit: scale each scan by its own percentiles. Volumes often gain from networks that see several slices; [Where to read
# on](../reading_on.md) leads there. And take names and dates out of the files before you copy them: they are
# patients' data.
#
# **Read on.** Isensee et al. 2018, *nnU-Net* (arXiv 1809.10486): how far careful preparation goes.

# %% [markdown]
# ## 4. In five lines
#
# 1. `segcourse data check` first. It costs seconds, and a training costs hours.
# 2. What makes images alike must not be on both sides of a split: region, product, patient.
# 3. An empty mask says "nothing here". A missing mask says nothing.
# 4. A rare class needs weight, and scores that notice it.
# 5. Decide what the grey values mean before you save them in 8 bits.
#
# | your images | split | augmentation | look out for |
# | --- | --- | --- | --- |
# | satellite, aerial | by region | `--augment any` | masks as colours, unknown pixels |
# | microscopy | by patient or plate | `--augment any` | tiles of one slide, slides of one patient |
# | production line | by product or day | `--augment any` if parts turn | empty masks, rare classes |
# | CT, MRI, X-ray | by patient | `--augment none` or `upright` | windows, voxel size |
# | street, video | by film; within one film `--split blocks` | `--augment upright` | neighbouring frames |
