"""Check before the training that network and data fit together."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from segcourse.data.samples import Samples, class_names_of
from segcourse.errors import DataError, TrainingError
from segcourse.models.forward import Forward
from segcourse.training.batches import Batches
from segcourse.training.buffers import unchanged_buffers


def check_weights(model: nn.Module) -> None:
    """Check that the weights can be trained and saved.

    Raises:
        TrainingError: they can't.
    """
    lazy = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if is_lazy(tensor)]
    other = [name for name, value in model.state_dict().items() if not isinstance(value, torch.Tensor)]
    if lazy:
        raise TrainingError(
            f"{lazy[0]} of {type(model).__name__} has no shape yet. Call the network once on a batch before "
            "you train it."
        )
    if other:
        raise TrainingError(
            f"{other[0]} of {type(model).__name__} is not a tensor, so it can't be saved with the weights. "
            "Remove get_extra_state from the network."
        )


def check_batches(forward: Forward, batches: Batches, others: Batches | None) -> torch.Tensor:
    """Run the network on the first image, and return that image, 1×C×H×W.

    From then on, data sets of other people refuse masks with classes that the network does not have.

    Args:
        forward: the network in eval mode.
        batches, others: the batches of the training set and of the validation set.

    Raises:
        DataError: the network can't take the image, or its output does not fit the classes of the data.
        TrainingError: its batch norm can't take the smallest batch.
    """
    image = batches.sample(0)[0][None]
    with torch.no_grad():
        classes = forward(image).shape[1]
    if classes == 1:
        raise DataError(
            "the network returns 1 channel; expected one per class, the background included. Build it with 2 "
            "classes for a binary mask."
        )
    names = class_names_of(batches.dataset)
    if names is not None and len(names) != classes:
        raise DataError(
            f"the network returns {classes} channels, and the data have {len(names)} classes "
            f"({', '.join(names)}); build the network with {len(names)} classes."
        )
    for dataset in [batches.dataset] + ([others.dataset] if others is not None else []):
        if isinstance(dataset, Samples):
            dataset.num_classes = classes
    if batches.smallest == 1:
        _check_batch_of_one(forward, image, batches)
    return image


def _check_batch_of_one(forward: Forward, image: torch.Tensor, batches: Batches) -> None:
    network = forward.network
    network.train()
    try:
        with torch.no_grad(), torch.random.fork_rng(), unchanged_buffers(network):
            forward(image)
    except ValueError as error:  # batch norm: Expected more than 1 value per channel when training
        if "more than 1 value per channel" not in str(error):
            raise
        raise TrainingError(
            f"the last batch of an epoch has one image ({len(batches.dataset)} images in batches of "
            f"{batches.batch_size}), and a batch norm of this network needs two. Use another batch_size."
        ) from error
    finally:
        network.eval()
