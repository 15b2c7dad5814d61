"""Batches in an order that depends on the seed and the epoch alone, so that a run can be stopped and
continued exactly."""

import contextlib
import math
import random
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from segcourse.errors import DataError


class Batches:
    """The batches of one epoch, shuffled by (seed, epoch); every sample's augmentation by (seed, epoch,
    index).

    Neither depends on how many workers load, nor on what was drawn before: epoch 7 from batch 3 on is always
    the same. With several processes (`world`), each takes every `world`-th batch; of shuffled batches all
    take equally many, so that none waits for another, of those in order each occurs once.

    >>> samples = [(torch.zeros(3, 1, 1), torch.zeros(1, 1), str(i)) for i in range(5)]
    >>> [names for _, _, names in Batches(samples, batch_size=2, shuffle=False).epoch(0)]
    [['0', '1'], ['2', '3'], ['4']]
    """

    def __init__(
        self, dataset: Dataset, batch_size: int, *, seed=0, shuffle=True, workers=0, rank=0, world=1
    ):
        if len(dataset) == 0:
            raise DataError("the data set is empty; there is nothing to train on or to evaluate.")
        self.dataset, self.batch_size, self.seed, self.shuffle = dataset, batch_size, seed, shuffle
        self.workers, self.rank, self.world = workers, rank, world

    def __len__(self) -> int:
        batches = math.ceil(len(self.dataset) / self.batch_size)
        return math.ceil(batches / self.world) if self.shuffle else len(range(self.rank, batches, self.world))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        """Batches number `start` and following: images N×3×H×W, masks N×H×W, names."""
        order = torch.arange(len(self.dataset))
        if self.shuffle:
            order = torch.randperm(len(order), generator=torch.Generator().manual_seed(mix(self.seed, epoch)))
        batches = order.split(self.batch_size)
        mine = [batches[(i * self.world + self.rank) % len(batches)] for i in range(len(self))]
        return iter(
            DataLoader(
                _Seeded(self.dataset, self.seed, epoch),
                batch_sampler=[batch.tolist() for batch in mine[start:]],
                num_workers=self.workers,
                collate_fn=stack,
                pin_memory=torch.cuda.is_available(),
            )
        )


class _Seeded(Dataset):
    def __init__(self, dataset, seed, epoch):
        self.dataset, self.seed, self.epoch = dataset, seed, epoch

    def __getitem__(self, index):
        with fixed_randomness(mix(self.seed, self.epoch, index)), one_thread():
            return self.dataset[index]

    def __len__(self):
        return len(self.dataset)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch computes on one thread.

    On images as small as these, several threads wait for each other longer than they work: 10 to 25 times
    longer on a machine whose cores are busy.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def fixed_randomness(seed: int) -> Iterator[None]:
    """Inside, Python's, NumPy's and PyTorch's generators start from `seed`; outside they go on as before."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 the global generator is what augmentation libraries use
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        torch.set_rng_state(before[2])


def groups(batches: Iterable, size: int) -> Iterator[list]:
    """Consecutive batches in lists of `size`; the last list may be shorter.

    >>> list(groups("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    batches = iter(batches)
    while group := list(islice(batches, size)):
        yield group


def mix(*numbers: int) -> int:
    """A seed made of several numbers, unlike that of any others.

    >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence([abs(n) for n in numbers]).generate_state(1, np.uint64)[0] >> 1)


def stack(samples: list) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Samples (image, mask, name) as one batch.

    Raises:
        DataError: the samples differ in size.
    """
    images, masks, names = zip(*samples, strict=True)
    for image, name in zip(images, names, strict=True):
        if image.shape != images[0].shape:
            raise DataError(
                f"images of one batch must have one size: {names[0]} is {_size(images[0])}, {name} is "
                f"{_size(image)}. Give the data set a size (size=256), or use batches of one."
            )
    return torch.stack(images), torch.stack(masks), list(names)


def _size(image: torch.Tensor) -> str:
    return f"{image.shape[-2]}×{image.shape[-1]}"
