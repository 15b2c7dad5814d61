"""A small data set, a small network and a small run, for the tests of training."""

import os
import signal

import torch
from torch import nn

from segcourse.training.loop import fit


class Squares(torch.utils.data.Dataset):
    """Bright squares on noise with random light; in image i, `ignored[i]` rows of the mask are 255."""

    def __init__(self, count=10, size=16, ignored=()):
        self.count, self.size, self.ignored = count, size, dict(ignored)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        top, left = torch.randint(0, self.size // 2, (2,), generator=generator)
        mask = torch.zeros(self.size, self.size, dtype=torch.int64)
        mask[top : top + self.size // 2, left : left + self.size // 2] = 1
        image = 0.4 * torch.rand(3, self.size, self.size, generator=generator) + 0.4 * mask
        image = image + 0.2 * torch.rand(1)
        mask[: self.ignored.get(index, 0)] = 255
        return image, mask, f"square {index}"


def tiny_net(norm=False, dropout=0.0):
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6) if norm else nn.Identity(), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Conv2d(6, 2, 3, padding=1))


def run(model=None, train=None, val=None, **options):
    defaults = {"epochs": 4, "batch_size": 4, "device": "cpu", "precision": "fp32", "progress": False}
    model = tiny_net(norm=True, dropout=0.2) if model is None else model
    train, val = Squares() if train is None else train, Squares(3) if val is None else val
    return fit(model, train, val, **defaults | options)


def numbers(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]


class CtrlC(Squares):
    """Presses Ctrl-C, for real, while sample number `at` (counted over all) is loaded."""

    def __init__(self, at, **options):
        super().__init__(**options)
        self.at = at

    def __getitem__(self, index):
        self.at -= 1
        if self.at == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().__getitem__(index)
