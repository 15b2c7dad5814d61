"""Python's and PyTorch's own error messages in words that say what to change.

Each sentence holds whenever the message appears: it explains the message, not the student's intention.
"""

import re

from torch import Tensor, nn

_DTYPES = {
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Byte": "uint8",
    "Char": "int8",
    "Bool": "bool",
    "Float": "float32",
    "Double": "float64",
    "Half": "float16",
    "BFloat16": "bfloat16",
}

# (pattern of "Kind: message", sentence; {0}, {1} … stand for the pattern's groups)
_SLIPS = [
    (
        r"cannot assign (?:module|parameters?|buffer) before Module.__init__\(\) call"
        r"|object has no attribute '_(?:backward_hooks|modules|parameters|buffers|forward_hooks)'",
        "`super().__init__()` has not run. Make it the first line of your `__init__`",
    ),
    (
        r"Module \[(?:ModuleList|ModuleDict)\] is missing the required \"forward\" function",
        "an nn.ModuleList (or nn.ModuleDict) only holds layers and can't be called. Loop over it and call "
        "each layer",
    ),
    (
        r"Module \[(\w+)\] is missing the required \"forward\" function",
        "{0} has no method called `forward`. Check the spelling, `def forward(self, …)`, and that it is "
        "indented inside the class",
    ),
    (
        r"weight of size \[[\d, ]+\], expected input\[[\d, ]+\] to have (\d+) channels, but got (\d+)",
        "a convolution that was made for {0} input channels gets {1}",
    ),
    (
        r"running_mean should contain (\d+) elements not (\d+)",
        "a batch norm that was made for {1} channels gets {0}",
    ),
    (
        r"Sizes of tensors must match except in dimension 0\. Expected size (\d+) but got size (\d+)",
        "tensors are joined along axis 0 (`torch.cat` does that without `dim`), and differ in another axis: "
        "{0} and {1}. If the tensors have a batch axis, channels are axis 1: `dim=1`",
    ),
    (
        r"Sizes of tensors must match except in dimension (\d)\. Expected size (\d+) but got size (\d+)",
        "tensors that are joined along axis {0} differ in another axis: {1} and {2}",
    ),
    (
        r"Tensors must have same number of dimensions: got (\d+) and (\d+)",
        "tensors that are joined have {0} and {1} axes. `x[:, None]` adds a channel axis to a map N x H x W",
    ),
    (
        r"(?:in|out)_channels must be divisible by groups",
        "`groups` must divide both numbers of channels. A depthwise convolution has as many output channels "
        "as input channels",
    ),
    (
        r"cat\(\): argument 'tensors' \(position 1\) must be tuple of Tensors, not Tensor"
        r"|concat\(\): argument 'tensors' \(position 1\) must be tuple of Tensors, not Tensor",
        "`torch.cat` takes its tensors in one list: `torch.cat([a, b], dim=1)`",
    ),
    (
        r"NameError: name '(\w+)' is not defined",
        "the name {0} is not known here. If a cell above defines it, run that cell again: a restarted "
        "kernel has forgotten everything",
    ),
    (
        r"(?:could not infer output dtype.*Got: |_kernel_impl\" not implemented for ')(\w+)",
        "this function needs floating-point numbers and gets {0}. Convert first, with `.float()` or "
        "`.double()`",
    ),
    (
        r"\"bitwise_\w+\" not implemented for '(\w+)'",
        "`&`, `|` and `^` combine bool or integer tensors, and one side is {0} here. Compare first, such "
        "as `mask == 1`, or use `.bool()`",
    ),
    (
        r"\"bincount_\w+\" not implemented for '(\w+)'",
        "`torch.bincount` counts integers and gets {0}. Convert with `.long()`",
    ),
    (
        r"bincount only supports 1-d non-negative integral inputs",
        "`torch.bincount` takes one row of integers, none of them negative. Flatten first",
    ),
    (
        r"Subtraction, the `-` operator, with (?:two bool tensors|a bool tensor) is not supported",
        "`-` does not exist for bool tensors. Use `~`, `&` and `^`, or convert to integers",
    ),
    (
        r"tensors used as indices must be long, int, byte or bool",
        "an index is a whole number, and floating-point numbers are used here. Convert with `.long()`",
    ),
    (
        r"The shape of the mask \[[\d, ]*\] at index \d does not match the shape of the indexed tensor",
        "a bool or uint8 tensor in square brackets selects like a mask, and its shape does not fit. For "
        "positions convert with `.long()`",
    ),
    (
        r"index (-?\d+) is out of bounds for dimension (\d+) with size (\d+)",
        "{0} is used as an index into axis {1}, which has {2} places (0 … {2} - 1)",
    ),
    (r"Target (-?\d+) is out of bounds", "the target holds {0}, which is not one of the classes"),
    (
        r"Class values must be (?:smaller than num_classes|non-negative)",
        "`F.one_hot` meets an id that is not one of the classes",
    ),
    (
        r"one_hot is only applicable to index tensor|Expected dtype int32/int64 for index",
        "class ids that select a channel must be int64. Convert with `.long()`",
    ),
    (
        r"expected (?:target dtype to be Long or Byte|scalar type Long) but (?:got|found) (\w+)",
        "class ids must be int64, and they are {0} here. Convert with `.long()`",
    ),
    (
        r"Boolean value of Tensor with more than one value is ambiguous",
        "`if`, `and`, `or`, `not` need one yes or no, and a tensor holds many. Use `&`, `|`, `~` and "
        "`torch.where`, or reduce with `.any()` or `.all()`",
    ),
    (
        r"element 0 of tensors does not require grad",
        "the result has no gradient: gradients are switched off (`torch.no_grad()`), or a step on the way is "
        "cut off from them (`.item()`, `float()`, `.detach()`, NumPy)",
    ),
    (
        r"Can't call numpy\(\) on Tensor that requires grad",
        "NumPy can't follow gradients, and training needs them here. Stay with tensors",
    ),
    (
        r"modified by an inplace operation",
        "numbers that the gradient needs were overwritten in place (`+=`, `x[…] =`, a method ending in "
        "`_`). Make a new tensor instead",
    ),
    (
        r"a leaf Variable that requires grad is being used in an in-place operation",
        "an input is changed in place (`+=`, `x[…] =`, a method ending in `_`). Make a new tensor instead",
    ),
    (
        r"shape '\[([\d, -]+)\]' is invalid for input of size (\d+)",
        "{1} numbers can't be arranged as [{0}]",
    ),
    (
        r"The size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton "
        r"dimension (\d+)",
        "two tensors are combined element by element, and their axis {2} has {0} and {1} places. Print "
        "both shapes",
    ),
    (
        r"mat1 and mat2 shapes cannot be multiplied \((\d+)x(\d+) and (\d+)x(\d+)\)",
        "a matrix of {0} x {1} can't be multiplied by one of {2} x {3}. Print both shapes",
    ),
    (
        r"a Tensor with (\d+) elements cannot be converted to Scalar",
        "`.item()`, `int()` and `float()` take one number, and there are {0} here",
    ),
    (
        r"Dimension out of range \(expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)\)",
        "there is no axis {2}: the axes run from {0} to {1}",
    ),
    (
        r"Expected more than 1 value per channel when training",
        "batch norm in training mode needs more than one number per channel",
    ),
    (
        r"\(-215:Assertion failed\) (.+?) in function '(\w+?)_?'",
        "OpenCV's {1} requires that {0}",
    ),
    (
        r"in function '(\w+)' > Overload resolution failed: > - (.+?)(?: >|$)",
        "OpenCV's {0} can't take these arguments: {1}",
    ),
    (
        r"operands could not be broadcast together with shapes ([\d(),]+) ([\d(),]+)",
        "arrays of the shapes {0} and {1} are combined element by element. From the last axis on, their "
        "lengths must be equal, or one of them 1. Print both shapes",
    ),
    (
        r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)",
        "{0} is used as an index into axis {1}, whose length is {2}",
    ),
    (
        r"ValueError: images do not match",
        "Pillow combines pictures of one size and one mode only. It counts a size as width, height",
    ),
    (
        r"ValueError: bad transparency mask",
        "Pillow's mask has to be of mode 1, L or RGBA, made from a bool or a uint8 array",
    ),
    (
        r"arrays used as indices must be of integer \(or boolean\) type",
        "an array of floating-point numbers is used as an index. Only bool arrays and whole numbers select",
    ),
    (
        r"ufunc 'invert' not supported for the input types",
        "`~` exists for bool and integer arrays, and meets floating-point numbers here. Their opposite is "
        "`1 - mask`",
    ),
    (
        r"can't multiply sequence by non-int of type 'float'",
        "a tuple or list is multiplied by a number. An array can be: `np.array(…)`",
    ),
    (
        r"expected 4D input \(got 3D input\)",
        "a layer takes batches, N x C x H x W, and gets three axes. `[None]` adds the first one",
    ),
    (
        r"_jit_pass_onnx_set_dynamic_input_shape\(\): incompatible function arguments",
        "the exporter can't use these names and axes. `input_names` and `output_names` are lists, "
        "`dynamic_axes` is a dict from each name to the axes",
    ),
    (
        r"missing (\d+) required positional arguments?: (.+)$",
        "a call passes too few arguments: {1} got no value",
    ),
    (
        r"Module\.(\w+)\(\) takes (?:from \d+ to )?\d+ positional",
        "`{0}` is a method of every nn.Module. If a layer of yours has that name, the method hides it: "
        "choose another name",
    ),
    (
        r"takes (?:from \d+ to )?(\d+) positional arguments? but (\d+) (?:was|were) given",
        "a call passes {1} arguments where {0} fit (for a method, `self` counts)",
    ),
    (r"got an unexpected keyword argument '(\w+)'", "a call passes {0}=…, and there is no such argument"),
    (
        r"'NoneType' object has no attribute|'NoneType' object is not (?:callable|iterable|subscriptable)"
        r"|operand type\(s\) for [^:]+: .*'NoneType'|must be Tensor, not NoneType",
        "something is None here. A function without `return` hands back None",
    ),
    (
        r"'(\w+)' object has no attribute '(\w+)'",
        "{0} has no attribute called {1}. Check the spelling, and whether this should be of type {0}",
    ),
]
_LAYER = re.compile(
    r"must be Tensor, not (\w+)|invalid combination of arguments - got \((\w+)"
    r"|operand type\(s\) for [^:]+: '(\w+)'|^AttributeError: '(\w+)' object has no attribute '(\w+)'"
)


def explain(kind: str, message: str) -> str | None:
    """Return what an error message means, without a full stop; None for messages not known here.

    >>> explain("RuntimeError", "running_mean should contain 3 elements not 8")
    'a batch norm that was made for 8 channels gets 3'
    >>> explain("TypeError", "max_pool2d(): argument 'input' (position 1) must be Tensor, not ReLU")[:38]
    'the layer object ReLU arrives where a '
    """
    text = f"{kind}: {message}"
    if layer := _layer(text):
        return (
            f"the layer object {layer} arrives where a tensor is needed. `nn.{layer}(…)` only makes a "
            "layer: make it in `__init__` and call it with x in `forward`"
        )
    for pattern, sentence in _SLIPS:
        if found := re.search(pattern, text):
            return sentence.format(*(_DTYPES.get(group, group) for group in found.groups()))
    return None


def _layer(text: str) -> str | None:
    """Return the name of the PyTorch layer that stands where a tensor belongs, if the message says so."""
    found = _LAYER.search(text)
    name = found and next(filter(None, found.groups()))
    if not name or not isinstance(getattr(nn, name, None), type):
        return None
    attribute = found[5]
    return name if attribute is None or hasattr(Tensor, attribute) else None
