"""Batches in an order that depends only on seed and epoch, so that a run can resume exactly."""

import contextlib
import math
import random
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from segcourse.data import SampleDataset
from segcourse.errors import DataError
from segcourse.threads import use_threads


class Batches:
    """The batches of a data set, epoch by epoch.

    The order depends only on (seed, epoch), and the augmentation of a sample only on (seed, epoch, index).
    Neither depends on the number of workers or on earlier random numbers: epoch 7 from batch 3 on is always
    the same. With several processes, each takes every `world`-th batch. With shuffling, all processes get the
    same number of batches, so that none waits for another. Without shuffling, each batch occurs once.

    Args:
        dataset: samples (image, mask, name).
        batch_size: samples per batch.
        seed: random seed for order and augmentation.
        shuffle: shuffle in every epoch.
        workers: processes that load data; 0 loads in this process.
        rank, world: index of this process, and number of processes.

    Raises:
        DataError: the data set is empty.

    >>> samples = [(torch.zeros(3, 1, 1), torch.zeros(1, 1), str(i)) for i in range(5)]
    >>> [names for _, _, names in Batches(samples, batch_size=2, shuffle=False).epoch(0)]
    [['0', '1'], ['2', '3'], ['4']]
    """

    def __init__(
        self,
        dataset: SampleDataset,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        workers: int = 0,
        rank: int = 0,
        world: int = 1,
    ):
        if len(dataset) == 0:
            raise DataError("the data set is empty; give one with at least one sample.")
        self.dataset, self.batch_size, self.seed, self.shuffle = dataset, batch_size, seed, shuffle
        self.workers, self.rank, self.world = workers, rank, world

    def __len__(self) -> int:
        batches = math.ceil(len(self.dataset) / self.batch_size)
        return math.ceil(batches / self.world) if self.shuffle else len(range(self.rank, batches, self.world))

    @property
    def smallest(self) -> int:
        """The number of images in the smallest batch."""
        return (len(self.dataset) - 1) % self.batch_size + 1

    def sample(self, index: int) -> tuple[torch.Tensor, torch.Tensor, str]:
        """Return a sample as it is drawn in the first epoch."""
        return _Seeded(self.dataset, self.seed, 0)[index]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor, list[str]]]:
        """Iterate over the batches from number `start`: images N×3×H×W, masks N×H×W, names.

        Without shuffling, a batch of images that differ in size becomes one batch per size.
        """
        order = torch.arange(len(self.dataset))
        if self.shuffle:
            generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
            order = torch.randperm(len(order), generator=generator)
        batches = order.split(self.batch_size)
        mine = [batches[(i * self.world + self.rank) % len(batches)] for i in range(len(self))]
        loader = DataLoader(
            _Seeded(self.dataset, self.seed, epoch),
            batch_sampler=[batch.tolist() for batch in mine[start:]],
            num_workers=self.workers,
            collate_fn=stack if self.shuffle else _stack_by_size,
            pin_memory=torch.cuda.is_available(),
        )
        return iter(loader) if self.shuffle else chain.from_iterable(loader)


class _Seeded(Dataset):
    """A data set whose samples are drawn with a seed from (seed, epoch, index)."""

    def __init__(self, dataset: SampleDataset, seed: int, epoch: int):
        self.dataset, self.seed, self.epoch = dataset, seed, epoch

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor, str]:
        with fixed_randomness(derive_seed(self.seed, self.epoch, index)), use_threads(1):
            return self.dataset[index]

    def __len__(self) -> int:
        return len(self.dataset)


@contextlib.contextmanager
def fixed_randomness(seed: int) -> Iterator[None]:
    """Seed Python, NumPy and PyTorch inside the `with` block, and restore their generators afterwards."""
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
    """Group consecutive batches into lists of `size`; the last list may be shorter.

    >>> list(groups("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    batches = iter(batches)
    while group := list(islice(batches, size)):
        yield group


def derive_seed(*numbers: int) -> int:
    """Derive one seed from several numbers, such as seed, epoch and index.

    >>> derive_seed(0, 1) == derive_seed(0, 1), derive_seed(0, 1) == derive_seed(1, 0)
    (True, False)
    """
    return int(np.random.SeedSequence([abs(n) for n in numbers]).generate_state(1, np.uint64)[0] >> 1)


def stack(samples: list) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Stack samples (image, mask, name) into one batch.

    Raises:
        DataError: the samples differ in size.
    """
    images, masks, names = zip(*samples, strict=True)
    for image, name in zip(images, names, strict=True):
        if image.shape != images[0].shape:
            raise DataError(
                f"all images of a batch must have the same size: {names[0]} is {_size(images[0])}, {name} is "
                f"{_size(image)}. Give the data set a size, such as size=256, or use batch_size=1."
            )
    return torch.stack(images), torch.stack(masks), list(names)


def _stack_by_size(samples: list) -> list[tuple[torch.Tensor, torch.Tensor, list[str]]]:
    sizes: dict[torch.Size, list] = {}
    for sample in samples:
        sizes.setdefault(sample[0].shape, []).append(sample)
    return [stack(group) for group in sizes.values()]


def explain_divergence(value: float, images: tuple, names: tuple) -> str:
    """Explain a loss that is NaN or infinite: name the images with such values, or all of the step."""
    files = [(name, image) for batch, batch_names in zip(images, names, strict=True)
             for image, name in zip(batch, batch_names, strict=True)]  # fmt: skip
    broken = [name for name, image in files if not image.isfinite().all()]
    if broken:
        return (
            f"the loss became {value}, because these images hold NaN or infinite values: {', '.join(broken)}."
        )
    return (
        f"the loss became {value} in the batch of {', '.join(name for name, _ in files)}. Check these images "
        "and masks; if they are fine, lower the learning rate or use precision='fp32'."
    )


def _size(image: torch.Tensor) -> str:
    return f"{image.shape[-2]}×{image.shape[-1]}"
