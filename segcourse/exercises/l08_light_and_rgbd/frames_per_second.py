"""Exercise 8.3: measure how fast a network is; judged on a machine whose clock moves only when it works."""

import copy
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from segcourse.exercises.engine.exercise import Case, Exercise
from segcourse.exercises.engine.observations import container
from segcourse.exercises.engine.observing import Explained


def frames_per_second(model, images, runs, clock, wait):
    """Return how many images per second the network segments, a float: the median of `runs` timed calls."""
    training = model.training
    model.eval()
    seconds = []
    with torch.inference_mode():
        for _ in range(3 + runs):
            start = clock()
            model(images)
            wait()
            seconds.append(clock() - start)
    model.train(training)
    return len(images) / statistics.median(seconds[3:])


MEDIAN, QUEUE, MODE = "warm-up and median", "a device with a queue", "mode and gradients"
WARM_UP = 3


class Machine:
    """A false computer: its clock moves only when a network runs on it, and it notes each call.

    Args:
        seconds: how long the calls take, one after the other and over again.
        queued: whether it works like a GPU: a call returns at once, and `wait` lets the work be done.
        cold: how much slower its first three calls are.
    """

    def __init__(self, seconds: Sequence[float], queued: bool, cold: float):
        self.seconds, self.queued, self.cold = seconds, queued, cold
        self.now, self.left = 1000.0, 0.0
        self.calls = self.reads = 0
        self.modes: list[bool] = []
        self.graphs: list[bool] = []
        self.given: list[Tensor] = []
        self.shared = False  # whether copies of a network on this machine stay on it

    def __deepcopy__(self, memo: dict[int, Any]) -> "Machine":
        if self.shared:
            return self
        return Machine(self.seconds, self.queued, self.cold)

    def clock(self) -> float:
        self.reads += 1
        return self.now

    def wait(self) -> None:
        self.now, self.left = self.now + self.left, 0.0

    def work(self) -> None:
        slow = self.calls < WARM_UP
        took = (self.cold if slow else 1) * self.seconds[self.calls % len(self.seconds)]
        self.calls += 1
        if self.queued:
            self.now, self.left = self.now + 1e-4, self.left + took
        else:
            self.now += took


class Timed(nn.Module):
    """A network that takes the time of its machine, which notes how it was called."""

    def __init__(self, machine: Machine):
        super().__init__()
        self.machine, self.inner = machine, nn.Dropout()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        y = x.mean(dim=1, keepdim=True) * self.weight  # N, 1, H, W
        self.machine.modes.append(self.training or self.inner.training)
        self.machine.graphs.append(y.requires_grad)
        self.machine.given.append(x)
        self.machine.work()
        return y


def _durations(rng: Generator, runs: int) -> list[float]:
    """Return seconds whose median is far from their mean, least and most, wherever the row of calls starts.

    Nearly half of them are disturbed. The two in the middle of an even number are equal, so that every median
    is the same.
    """
    disturbed = (runs - 1) // 2
    usual = np.sort(rng.uniform(0.01, 0.05, runs - disturbed))
    usual[-2:] = usual[-1] if runs % 2 == 0 else usual[-2:]
    usual = rng.permutation(usual)
    return [float(x) for x in (*usual, *rng.uniform(0.3, 0.9, disturbed))]


def cases(rng: Generator) -> Iterator[Case]:
    fixed = np.random.default_rng(8)

    def case(group, runs, batch, *traits, rng=fixed, queued=False, training=False):
        if group == MEDIAN:
            machine = Machine(_durations(rng, runs), queued, cold=20)
        else:  # all calls take the same time: who forgets the warm-up loses no point here
            machine = Machine([float(rng.uniform(0.01, 0.05))], queued, cold=1)
        kind = "with a queue, like a GPU" if queued else "without a queue, like a CPU"
        inputs = {
            "model": Timed(machine).train(training),
            "images": torch.from_numpy(rng.random((batch, 3, 2, 2), np.float32)),
            "runs": runs,
            "clock": machine.clock,
            "wait": machine.wait,
        }
        given = (
            f"a stand-in network on a machine {kind}, {batch} image(s), runs = {runs}; the machine's clock "
            "moves only when the network works"
        )
        return Case(group, inputs, traits, given=given)

    yield case(MEDIAN, 1, 1, "there is one run and one image")
    yield case(MEDIAN, 5, 1, "calls are disturbed")
    yield case(MEDIAN, 7, 4, "calls are disturbed", "the batch holds several images")
    yield case(MEDIAN, 8, 2, "the number of runs is even", "the batch holds several images")
    yield case(QUEUE, 1, 1, "there is one run on the queue", queued=True)
    yield case(QUEUE, 5, 3, "there are several runs on the queue", queued=True)
    yield case(MODE, 3, 2, "the model comes in training mode", training=True)
    yield case(MODE, 3, 1, "the model comes in eval mode")
    runs, batch = 2 * int(rng.integers(3, 9)) + 1, int(rng.integers(2, 9))
    yield case(MEDIAN, runs, batch, "calls are disturbed", "the batch holds several images", rng=rng)
    yield case(QUEUE, runs, batch, "there are several runs on the queue", rng=rng, queued=True)
    yield case(MODE, runs, batch, "the model comes in training mode", rng=rng, training=True)


def look(obj: Callable, case: Case) -> dict[str, Any]:
    """Observe the result, and how the network was called."""
    model, images, runs, clock, wait = case.inputs.values()
    longer, mode, machine = copy.deepcopy(model), model.training, model.machine
    machine.shared = longer.machine.shared = True
    value = obj(model, images, runs, clock, wait)
    afterwards = model.training == model.inner.training == mode
    model.train(mode)  # who leaves another mode loses the points of that group alone
    if not machine.given:
        raise Explained("Your answer never calls the model. Time calls of `model(images)`.")
    if not machine.reads:
        raise Explained("Your answer never reads `clock()`. Take the time before and after a call from it.")
    if not isinstance(value, float):  # NumPy's float64 is one
        raise Explained(f"Your answer returns {container(value)}; a float is asked for.")
    for x in machine.given:
        if x.shape != images.shape:
            raise Explained(
                f"Your code calls the model with a tensor of shape {tuple(x.shape)}, and `images` has shape "
                f"{tuple(images.shape)}. Each call gets all images: `model(images)`."
            )
    if case.group == MEDIAN:
        obj(longer, images, runs + 1, longer.machine.clock, longer.machine.wait)
        if longer.machine.calls == machine.calls:
            raise Explained(
                f"For runs = {runs} your code calls the model {machine.calls} times, and for runs = "
                f"{runs + 1} as often. `runs` is the number of timed calls; the warm-up comes on top."
            )
    seen = {"whole batches": all(x.dtype == images.dtype and x.equal(images) for x in machine.given)}
    if case.group == MODE:
        for notes, advice in (
            (machine.modes, "run in training mode. Call `model.eval()` before them"),
            (machine.graphs, "are recorded for gradients. Put them under `torch.no_grad()`, too"),
        ):
            if any(notes[:WARM_UP]) and not any(notes[WARM_UP:]):
                raise Explained(f"Your warm-up calls {advice}.")
        seen["in eval mode"] = not any(machine.modes)
        seen["without gradients"] = not any(machine.graphs)
        seen["the model's mode is as before"] = afterwards
    return {**seen, "value": float(value)}


def _median_rate(images: int, seconds: list[float]) -> float:
    return images / statistics.median(seconds)


def _upper_rate(images: int, seconds: list[float]) -> float:
    return images / statistics.median_high(seconds)


def _lower_rate(images: int, seconds: list[float]) -> float:
    return images / statistics.median_low(seconds)


def _made(
    warm_up: int = WARM_UP,
    mode: bool | None = False,
    back: bool | str = True,
    grad: bool = False,
    before: bool = True,
    after: bool = True,
    result: Callable[[int, list[float]], float] = _median_rate,
    count: Callable[[int], int] = lambda runs: runs,
) -> Callable:
    """Return an answer that does one thing differently.

    Args:
        warm_up: calls before the first timed one.
        mode: of the model while it is timed; None leaves it.
        back: whether the mode is brought back; "train" is always training mode.
        grad: whether PyTorch records for gradients.
        before, after: whether to wait before the first and the second look at the clock.
        result: from the number of images and the seconds.
        count: the number of timed calls.
    """

    def wrong(model, images, runs, clock, wait):
        training, seconds = model.training, []
        model.train(mode) if mode is not None else None
        with torch.set_grad_enabled(grad):
            for number in range(warm_up + count(runs)):
                wait() if before else None
                start = clock()
                model(images)
                wait() if after else None
                seconds += [clock() - start] if number >= warm_up else []
        if back:
            model.train(True if back == "train" else training)
        return float(result(len(images), seconds))

    return wrong


def _or_nan(images: int, seconds: list[float]) -> float:
    return images / statistics.median(seconds) if seconds else float("nan")


def _whole(warm_up: int = WARM_UP, late: bool = False) -> Callable:
    """Return an answer that looks at the clock once before and once after all calls."""

    def wrong(model, images, runs, clock, wait):
        training = model.training
        model.eval()
        with torch.no_grad():
            start = clock()
            for _ in range(warm_up):
                model(images)
            wait()
            start = clock() if late else start
            for _ in range(runs):
                model(images)
            wait()
            seconds = clock() - start
        model.train(training)
        return runs * len(images) / seconds

    return wrong


def _without_first_wait(model, images, runs, clock, wait):
    training, seconds = model.training, []
    model.eval()
    with torch.no_grad():
        for _ in range(WARM_UP):
            model(images)
        for _ in range(runs):
            start = clock()
            model(images)
            wait()
            seconds.append(clock() - start)
    model.train(training)
    return len(images) / statistics.median(seconds)


def celebrate(answer):
    """Show the frames per second of three networks on this machine."""
    from segcourse.models import create_model
    from segcourse.plotting import show_bars
    from segcourse.threads import thread_clock, use_threads

    torch.manual_seed(0)
    found, images = {}, torch.rand(1, 3, 96, 128)
    with use_threads(1):
        for name in ("half_unet", "unet"):
            for width in (8, 16):
                model = create_model(name, 8, width=width)
                found[f"{name}, width {width}"] = answer(model, images, 5, thread_clock, lambda: None)
    show_bars(found, xlabel="your frames_per_second, pictures of 96 x 128, one thread")


EXERCISE = Exercise(
    frames_per_second,
    number="8.3",
    difficulty=2,
    minutes=20,
    groups={MEDIAN: 2, QUEUE: 1, MODE: 2},
    cases=cases,
    observe=look,
    celebrate=celebrate,
    mistakes=[
        (
            "You time the first calls, too. They are slow: memory is requested and kernels are chosen. Let "
            "three calls pass before you time.",
            _made(warm_up=0),
        ),
        (
            "Your warm-up is a single call. Three are asked for: the second and the third can still be slow.",
            _made(warm_up=1),
        ),
        (
            "Your warm-up has two calls. Three are asked for.",
            _made(warm_up=2),
        ),
        *(
            (
                "You time runs + 3 calls and take the median of all of them. The first three are warm-up: "
                "leave their times out.",
                _made(warm_up=0, count=lambda runs: runs + WARM_UP, result=result),
            )
            for result in (_median_rate, _upper_rate, _lower_rate)
        ),
        *(
            (
                "You take the time of the run in the middle, in the order in which the runs came. Sort the "
                "times first.",
                _made(warm_up=warm_up, result=lambda n, seconds: n / seconds[len(seconds) // 2]),
            )
            for warm_up in (WARM_UP, 5, 10)
        ),
        (
            "You leave the slowest run out before you take the median. All runs count: slow ones hardly move "
            "a median.",
            _made(result=lambda n, seconds: n / statistics.median(sorted(seconds)[:-1] or seconds)),
        ),
        *(
            (
                "Your result is that of the mean time. Another program disturbs some calls, and the mean "
                "moves with those. Time each call by itself and take the median.",
                wrong,
            )
            for wrong in (
                _made(result=lambda n, seconds: n / statistics.fmean(seconds)),
                _whole(late=True),
            )
        ),
        (
            "You look at the clock once before and once after all calls, and the warm-up is among them. Time "
            "each call by itself, after the warm-up, and take the median.",
            _whole(),
        ),
        (
            "You look at the clock once before and once after all runs, without any warm-up. Let three calls "
            "pass, time each call by itself, and take the median.",
            _whole(warm_up=0),
        ),
        (
            "Your warm-up is taken from the runs, so that fewer than `runs` calls are timed. It comes before "
            "them: 3 + runs calls in all.",
            _made(count=lambda runs: max(runs - WARM_UP, 0), result=_or_nan),
        ),
        (
            "You average frames per second. Disturbed runs spoil that mean, too: take the median.",
            _made(result=lambda n, seconds: statistics.fmean(n / one for one in seconds)),
        ),
        (
            "You return the speed of the fastest run. The median is asked for: half of the "
            "calls are at least this fast.",
            _made(result=lambda n, seconds: n / min(seconds)),
        ),
        (
            "You return the speed of the slowest run. The median is asked for.",
            _made(result=lambda n, seconds: n / max(seconds)),
        ),
        (
            "You return the speed of the last run alone. The median of all runs is asked for.",
            _made(result=lambda n, seconds: n / seconds[-1]),
        ),
        (
            "You return the speed of the first timed run alone. The median of all runs is asked for.",
            _made(result=lambda n, seconds: n / seconds[0]),
        ),
        (
            "You return batches per second. Images per second are asked for: a batch holds `len(images)` of "
            "them.",
            _made(result=lambda n, seconds: 1 / statistics.median(seconds)),
        ),
        (
            "You return seconds per image. Images per second are asked for.",
            _made(result=lambda n, seconds: statistics.median(seconds) / n),
        ),
        (
            "You return the seconds of a call. Images per second are asked for.",
            _made(result=lambda n, seconds: statistics.median(seconds)),
        ),
        (
            "You return images per millisecond: a thousandth of what is asked for. `clock` returns seconds, "
            "and images per second are asked for.",
            lambda *given: frames_per_second(*given) / 1000,
        ),
        (
            "You count the channels, `images.shape[1]`, for the images. Images are along the first axis: "
            "`len(images)`.",
            lambda *given: frames_per_second(*given) / len(given[1]) * given[1].shape[1],
        ),
        (
            "You return milliseconds. Images per second are asked for.",
            _made(result=lambda n, seconds: 1000 * statistics.median(seconds)),
        ),
        (
            "You round to whole frames per second. Leave the number as it is.",
            _made(result=lambda n, seconds: round(n / statistics.median(seconds))),
        ),
        (
            "You multiply by `runs`. Each time belongs to one call, and so does their median.",
            lambda *given: given[2] * frames_per_second(*given),
        ),
        *(
            (
                "You look at the clock before the work is done. A device with a queue returns from "
                "`model(images)` at once: call `wait()` before you look at the clock a second time.",
                _made(before=before, after=False),
            )
            for before in (True, False)
        ),
        (
            "You don't wait before the first look at the clock. On a device with a queue, the work of the "
            "warm-up is then part of the first run.",
            _without_first_wait,
        ),
        (
            "You time the model in training mode. Batch norm and dropout then do other work: call "
            "`model.eval()` first.",
            _made(mode=True),
        ),
        (
            "You leave the model in the mode in which it comes. Call `model.eval()` first: that is the mode "
            "of its use.",
            _made(mode=None),
        ),
        (
            "The model stays in eval mode afterwards. Bring back the mode in which it came.",
            _made(back=False),
        ),
        (
            "The model is always in training mode afterwards, also if it came in eval mode. "
            "`model.training` tells the mode in which it came.",
            _made(back="train"),
        ),
        (
            "You let PyTorch record for gradients, which costs memory and time. Use `torch.no_grad()` or "
            "`torch.inference_mode()`.",
            _made(grad=True),
        ),
    ],
)
