"""The network that sees clicks: its inputs, its training, and that clicks matter to it."""

import torch

from segcourse import interactive
from segcourse.data import Sample


def two_squares(index):
    """Return a picture of two equal squares, only one of which is the object: the click has to say which."""
    mask = torch.zeros(24, 24, dtype=torch.long)
    left = 2 + 12 * (index % 2)
    mask[8:16, left : left + 8] = 1
    image = torch.full((3, 24, 24), 0.8)
    image[:, 8:16, 2:10] = image[:, 8:16, 14:22] = 0.2
    return Sample(image, mask, f"square {index}")


def test_maps_follow_the_image():
    network = interactive.ClickNet(width=4, depth=1, radius=1)
    x = network.inputs(torch.ones(2, 3, 5, 6), [[(1, 2, 1)], [(3, 3, 0), (0, 0, 1)]])
    assert x.shape == (2, 5, 5, 6)
    assert x[:, :3].unique().tolist() == [0.5]
    assert x[:, 3:].flatten(2).sum(dim=2).tolist() == [[5, 0], [3, 5]]


def test_after_training_the_click_chooses_the_object():
    samples = [two_squares(i) for i in range(8)]
    torch.manual_seed(0)
    network = interactive.ClickNet(width=8, depth=2)
    losses = interactive.train_on_clicks(network, samples, 60, batch_size=8, progress=False)
    assert not network.training
    assert len(losses) == 60
    assert losses[-1] < 0.5 * losses[0]
    for click, sample in zip([(12, 6, 1), (12, 18, 1)], samples, strict=False):
        wrong = network.segment(sample.image, [click]) != sample.mask
        assert wrong.float().mean() < 0.12  # the square covers 0.11: finding the other one is 0.22 off
