"""EfficientNet-Lite0 gives the numbers of timm's, weight for weight."""

import pytest
import torch

from segcourse.models.lite import EfficientNetLite0


@pytest.mark.parametrize("size", [(64, 64), (33, 50), (1, 1)])  # TensorFlow pads even sides unevenly
def test_the_numbers_are_those_of_timm(size):
    timm = pytest.importorskip("timm", reason="timm is not installed (extra: peers)")
    torch.manual_seed(0)
    ours, theirs = EfficientNetLite0().eval(), timm.create_model("tf_efficientnet_lite0").eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))
