"""Exercise 8.3: right answers in other styles, promises and their breakers, mutants that are equal."""

import copy
import statistics
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from contract import Contract

from segcourse import exercises
from segcourse.exercises.l08_light_and_rgbd import frames_per_second as module
from segcourse.exercises.l08_light_and_rgbd.frames_per_second import frames_per_second as answer

made = module._made


@torch.no_grad()
def with_numpy(net, batch, count, now, until_done):
    before = net.training
    net.eval()
    for _ in range(10):
        net(batch)
    until_done()
    taken = np.zeros(count)
    for i in range(count):
        start = now()
        net(batch)
        until_done()
        taken[i] = now() - start
    net.train(before)
    return batch.shape[0] / np.median(taken)


@contextmanager
def evaluating(model):
    mode = model.training
    try:
        yield model.eval()
    finally:
        model.train(mode)


def with_contexts(model, images, runs, clock, wait):
    def once():
        wait()
        start = clock()
        model(images)
        wait()
        return clock() - start

    with evaluating(model), torch.inference_mode():
        times = sorted([once() for _ in range(runs + 5)][5:])
    middle = (times[runs // 2] + times[(runs - 1) // 2]) / 2
    return float(len(images) / middle)


def with_tensors(model, images, runs, clock, wait):
    mode, times = model.training, []
    model.train(False)
    with torch.set_grad_enabled(False):
        [model(images) for _ in range(3)]
        wait()
        times.append(clock())
        for _ in range(runs):
            model(images)
            wait()
            times.append(clock())
    model.train(mode)
    return (len(images) / torch.tensor(times, dtype=torch.float64).diff().median()).item()


def median_of_rates(model, images, runs, clock, wait):
    """The median of frames per second is that of the seconds, turned over."""
    return made(result=lambda n, seconds: float(np.median([n / one for one in seconds])))(
        model, images, runs, clock, wait
    )


def with_a_stopwatch_of_its_own(model, images, runs, clock, wait):
    return answer(model, images, runs, time.perf_counter, wait)


def with_a_copy(model, images, runs, clock, wait):
    return made(back=False)(copy.deepcopy(model), images, runs, clock, wait)


def called_with(batches):
    """Return an answer whose timed calls get these instead of all images."""

    def wrong(model, images, runs, clock, wait):
        mode, seconds = model.training, []
        model.eval()
        with torch.no_grad():
            [model(images) for _ in range(3)]
            wait()
            for _ in range(runs):
                start = clock()
                [model(one) for one in batches(images)]
                wait()
                seconds.append(clock() - start)
        model.train(mode)
        return len(images) / statistics.median(seconds)

    return wrong


def warm_up_in_training_mode(model, images, runs, clock, wait):
    with torch.no_grad():
        [model(images) for _ in range(3)]
    wait()
    return made(warm_up=0)(model, images, runs, clock, wait)


def warm_up_with_gradients(model, images, runs, clock, wait):
    mode = model.training
    model.eval()
    [model(images) for _ in range(3)]
    wait()
    model.train(mode)
    return made(warm_up=0)(model, images, runs, clock, wait)


class TestFramesPerSecond(Contract):
    name = "frames_per_second"
    library = staticmethod(with_numpy)
    right = {
        "NumPy": with_numpy,
        "contexts": with_contexts,
        "tensors": with_tensors,
        "rates": median_of_rates,
        "a copy": with_a_copy,
    }
    promises = (
        ("Each call, of the warm-up too, is in eval mode", "the model comes in training mode", made(mode=None),
         made(mode=True), warm_up_in_training_mode),
        ("Each call, of the warm-up too, is in eval mode", "the model comes in eval mode", made(mode=True)),
        ("in the mode in which it came", "the model comes in training mode", made(back=False)),
        ("in the mode in which it came", "the model comes in eval mode", made(back="train")),
        ("PyTorch records nothing for gradients", "mode and gradients", made(grad=True), warm_up_with_gradients),
        ("float tensor N x C x H x W. Each call gets all of them", "the batch holds several images",
         called_with(lambda images: images.split(1)), called_with(lambda images: [images[:1]]),
         called_with(lambda images: [images.flip(0)])),
        ("the number of timed calls, at least 1", "there is one run and one image",
         made(result=lambda n, seconds: n / statistics.median(seconds[1:]))),
        ("the number of timed calls, at least 1", "calls are disturbed", made(count=lambda runs: 1),
         made(count=lambda runs: runs + 1)),
        ("the number of timed calls, at least 1", "there is one run and one image", made(count=lambda runs: 10),
         made(count=lambda runs: 100)),
        ("returns seconds as a float", "warm-up and median", with_a_stopwatch_of_its_own,
         lambda m, i, r, c, w: answer(m, i, r, lambda: int(c()), w)),
        ("until the device has done all work", "there is one run on the queue", made(before=False, after=False),
         module._without_first_wait),
        ("until the device has done all work", "there are several runs on the queue", made(after=False)),
        ("three calls that are not timed (more are fine)", "calls are disturbed", made(warm_up=0), made(warm_up=1),
         made(warm_up=2)),
        ("images per second", "the batch holds several images", made(result=lambda n, seconds: 1 / np.median(seconds))),
        ("the median of the times", "calls are disturbed", made(result=lambda n, seconds: n / np.mean(seconds)),
         made(result=lambda n, seconds: n / min(seconds))),
        ("the median of the times", "the number of runs is even", made(result=lambda n, seconds: n / np.mean(seconds))),
        ("a float: the number of images per second", "warm-up and median", lambda *given: torch.tensor(answer(*given)),
         lambda *given: (answer(*given),), lambda *given: int(answer(*given))),
    )  # fmt: skip
    equal = {
        r"range\(runs \+ 3\)": "a sum commutes",
        r"range\((4|6) \+ runs\)": "the calls' times come over again, so their median is the same",
        r"model\.(eval|train)\b.*->  model\.train\(False": "the same in other words",
        r"^seconds = \[\]|->  seconds = \[\]": "the order of the two lines does not matter",
        r"inference_mode\(\)": "no_grad does the same here",
        r"->  (clock|wait|runs|model) = \1\.\w": "these are no tensors: it stops at once",
    }
    said = (
        (lambda *given: 1.0, "Your answer never calls the model"),
        (with_a_stopwatch_of_its_own, "Your answer never reads `clock()`"),
        (lambda *given: torch.tensor(answer(*given)), "a float is asked for"),
        (made(after=False), "You look at the clock before the work is done"),
        (called_with(lambda images: images.split(1)), "with a tensor of shape (1, 3, 2, 2)"),
        (called_with(lambda images: [images[:1]]), "with a tensor of shape (1, 3, 2, 2)"),
        (
            made(count=lambda runs: 100),
            "For runs = 1 your code calls the model 103 times, and for runs = 2 as often",
        ),
        (warm_up_in_training_mode, "Your warm-up calls run in training mode"),
        (warm_up_with_gradients, "Your warm-up calls are recorded for gradients"),
        (lambda *given: int(answer(*given)), "returns an int"),
        (lambda *given: 2 * answer(*given), "Your numbers are 2 times the expected ones"),
    )


def test_trying_a_case_out_leaves_the_next_check_as_it_was():
    """The machine of a practice case stays as it is, whatever a student does with what `inputs` returns."""
    for case in range(8):
        called_with(lambda images: [images[:1]])(*exercises.inputs("frames_per_second", case))
    assert exercises.assess("frames_per_second", answer, own=False).passed
    assert not exercises.assess("frames_per_second", made(warm_up=0)).passed


def test_another_mode_afterwards_costs_the_points_of_its_group_alone():
    for wrong in (made(back=False), made(back="train")):
        assert exercises.assess("frames_per_second", wrong).points == 3


@pytest.mark.parametrize("seed", range(6))
def test_the_stand_ins_tell_warm_up_median_and_mean_apart(seed):
    """Whatever was drawn: three calls of warm-up matter, and so does the median; the rest keeps its points."""
    for wrong in (made(warm_up=0), made(warm_up=2), made(result=lambda n, s: n / np.mean(s))):
        assert exercises.assess("frames_per_second", wrong, seed).points == 3
