"""A small network that sees the image and the clicks, and its training with simulated users."""

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from segcourse.classical.clicks import Click
from segcourse.interactive.clicks import clicks_to_map, simulate_click
from segcourse.losses import combined_loss
from segcourse.models.light import HalfUNet


class ClickNet(nn.Module):
    """Image and click maps to logits: N×5×H×W to N×2×H×W, for any H and W.

    The two maps of `clicks_to_map` are two more input channels (Xu et al. 2016, arXiv:1603.04042, section
    3.2).

    Args:
        width: channels at half resolution.
        depth: number of steps down.
        radius: of the discs around clicks, in pixels.

    >>> ClickNet(width=4)(torch.zeros(2, 5, 33, 47)).shape
    torch.Size([2, 2, 33, 47])
    """

    def __init__(self, width: int = 16, depth: int = 3, radius: float = 3):
        super().__init__()
        self.radius = radius
        self.net = HalfUNet(in_channels=5, num_classes=2, width=width, depth=depth)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def inputs(self, images: Tensor, clicks: Sequence[Sequence[Click]]) -> Tensor:
        """Return the images N×3×H×W of 0 … 1 with the maps of their clicks, N×5×H×W."""
        size = images.shape[-2], images.shape[-1]
        maps = [clicks_to_map(some, size, self.radius) for some in clicks]
        x = torch.cat([images - 0.5, torch.stack(maps).to(images)], dim=1)  # N, 5, H, W
        return x.contiguous(memory_format=torch.channels_last)  # a third faster on a CPU

    @torch.no_grad()
    def segment(self, image: Tensor, clicks: Sequence[Click]) -> Tensor:
        """Return the mask of an image 3×H×W of 0 … 1 with clicks: int64 H×W. The network is in eval mode."""
        return self(self.inputs(image[None], [clicks]))[0].argmax(dim=0)


def train_on_clicks(
    network: ClickNet,
    samples: Sequence[Any],
    steps: int = 300,
    *,
    more_clicks: int = 3,
    batch_size: int = 16,
    learning_rate: float = 4e-3,
    seed: int = 0,
    progress: bool = True,
) -> list[float]:
    """Train a network with a simulated user, and return the loss of each step.

    Each image of a batch gets a first click at random inside its object. Then a user adds up to `more_clicks`
    clicks on the network's own mistakes, and the network learns from the clicks it then has: iterative
    sampling (Mahadevan et al. 2018, arXiv:1805.04398; Sofiiuk et al. 2021, arXiv:2102.06583, section 3.2).

    Args:
        network: is left in eval mode, on its device.
        samples: (image 3×H×W of 0 … 1, mask H×W of 0 and 1, …) of one size, with no empty mask.
        steps: number of batches.
        more_clicks: largest number of clicks after the first one.
        batch_size: images per batch, drawn at random.
        learning_rate: highest learning rate, of one cycle (Smith and Topin 2018).
        seed: random seed for batches and first clicks.
        progress: show a progress bar.
    """
    generator = torch.Generator().manual_seed(seed)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    device, history = next(network.parameters()).device, []
    for _ in tqdm(range(steps), unit="step", leave=False, file=sys.stdout, disable=not progress):
        chosen = torch.randint(len(samples), (batch_size,), generator=generator).tolist()
        images = torch.stack([samples[i][0] for i in chosen]).to(device)
        masks = torch.stack([samples[i][1] for i in chosen])
        clicks = [[_inside(mask, generator)] for mask in masks]
        network.eval()
        for _ in range(int(torch.randint(more_clicks + 1, (1,), generator=generator))):
            with torch.no_grad():
                found = network(network.inputs(images, clicks)).argmax(dim=1).cpu()
            for some, one, mask in zip(clicks, found, masks, strict=True):
                some += filter(None, [simulate_click(one, mask)])
        network.train()
        loss = combined_loss(network(network.inputs(images, clicks)), masks.long().to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        history.append(loss.item())
    network.eval()
    return history


def _inside(mask: Tensor, generator: torch.Generator) -> Click:
    """Return a click on a random pixel of the object."""
    places = mask.nonzero()
    row, column = places[int(torch.randint(len(places), (1,), generator=generator))].tolist()
    return row, column, 1
