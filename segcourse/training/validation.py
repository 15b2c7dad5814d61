"""Loss and scores of a network on the validation set."""

from collections.abc import Callable

import torch
from accelerate.utils import gather_object

from segcourse.metrics import Scores
from segcourse.models.forward import Forward
from segcourse.training.accelerator import mean_over_processes
from segcourse.training.batches import Batches


@torch.inference_mode()
def validate(forward: Forward, batches: Batches, loss: Callable) -> dict:
    """Return loss and scores on the validation set, at its size; the loss is a mean over images."""
    forward.network.eval()
    scores, loss_sum, images = None, 0.0, 0
    for image, target, names in batches.epoch(0):
        logits = forward(image)
        scores = scores or Scores(logits.shape[1])
        loss_sum += loss(logits, target.to(logits.device)).item() * len(image)
        images += len(image)
        scores.update(logits.argmax(1).cpu(), target, names)
    scores, *others = gather_object([scores])
    for other in others:
        if other is not None:
            scores.merge(other)
    results = scores.compute()
    return {
        "val_loss": mean_over_processes(loss_sum, images),
        **{
            name: results[name]
            for name in ("dice_per_image", "jaccard_per_image", "threshold_jaccard", "mean_iou")
        },
        "score": results["dice_per_image" if scores.num_classes == 2 else "mean_iou"],
    }
