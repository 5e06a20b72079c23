# SPDX-License-Identifier: Apache-2.0
"""What a quantized model should compute, worked out with PyTorch on the eager model.

Shares no code with detent: ranges come from the inputs of operators while the float model runs, the
formulas are those of docs/numerics.md written down once more.
"""
import copy
import math

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Operators that use a weight, and where their arguments have it.
OPERATORS = {
    functional.linear: 1, torch.conv1d: 1, torch.conv2d: 1, torch.conv3d: 1, torch.conv_transpose1d: 1,
    torch.conv_transpose2d: 1, torch.conv_transpose3d: 1, torch.matmul: 1, torch.Tensor.matmul: 1,
}


def affine(low, high, qmin=-128, qmax=127):
    """(scale, zero point) of an asymmetric range, in float64, the scale as float32 holds it."""
    low, high = min(0.0, float(low)), max(0.0, float(high))
    if high - low == 0:
        return 1.0, 0
    scale = (high - low) / (qmax - qmin)
    zero_point = round(qmin - low / scale)
    return float(torch.tensor(scale, dtype=torch.float32)), max(qmin, min(qmax, zero_point))


def through_codes(x, scale, zero_point, qmin=-128, qmax=127):
    """x as quantization leaves it, in float32."""
    scale = torch.as_tensor(scale, dtype=torch.float32)
    codes = torch.clamp(torch.round(x.float() / scale) + zero_point, qmin, qmax)
    return ((codes - zero_point) * scale).to(x.dtype)


def dynamic(x):
    """Quantized with the range that this very tensor has."""
    return through_codes(x, *affine(x.min(), x.max()))


def symmetric_scale(bound, qmax):
    scale = (bound.double() / qmax).float()
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def int8_weight(weight, axis=0):
    rows = weight.float().movedim(axis, 0)
    scale = symmetric_scale(rows.flatten(1).abs().amax(1), 127).reshape(-1, *[1] * (rows.dim() - 1))
    return through_codes(rows, scale, 0, -127, 127).movedim(0, axis)


def int4_weight(weight, group=32):
    rows = weight.float().flatten(1)
    parts = [through_codes(part, symmetric_scale(part.abs().amax(1, keepdim=True), 7), 0, -8, 7)
             for part in rows.split(group, dim=1)]
    return torch.cat(parts, dim=1).reshape(weight.shape)


def half_weight(weight):
    return weight.float().half().float()


def sqnr_db(signals, results):
    """Over all tensors of both lists together, as one long vector."""
    signal = noise = 0.0
    for original, result in zip(signals, results, strict=True):
        original, result = original.double(), result.double()
        signal += float((original * original).sum())
        noise += float(((original - result) ** 2).sum())
    return math.inf if noise == 0 else 10 * math.log10(signal / noise) if signal else -math.inf


class Sites(TorchFunctionMode):
    """Calls `visit(name, function, arguments, keywords)` in place of every operator whose weight is a
    parameter of the model (or a view of one); its result is the operator's."""

    def __init__(self, model, visit):
        super().__init__()
        self.visit = visit
        self.names = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            self.names.setdefault(parameter.untyped_storage().data_ptr(), name)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        index = OPERATORS.get(func)
        if index is None or len(args) <= index or not isinstance(args[index], torch.Tensor):
            return func(*args, **kwargs)
        name = self.names.get(args[index].untyped_storage().data_ptr())
        return func(*args, **kwargs) if name is None else self.visit(name, func, args, kwargs)


def canonical(model, name):
    """The first of the names that a shared parameter has."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return next(other for other, value in parameters.items() if value is parameters[name])


class Reference:
    """A model with some weights quantized, and the activations that go into some of their operators.

    weights      canonical name -> what becomes of it, float
    batches      calibration data: keyword arguments, in order
    activation   "float", "static" or "dynamic", of the sites of those weights
    """

    def __init__(self, model, weights, batches, activation="float", sites=()):
        self.model, self.weights, self.batches = model, weights, batches
        self.activation, self.sites = activation, set(sites)
        self.ranges = {}
        self.local = {}  # weight -> [signal, noise]
        if activation == "static":
            self._run(model, self._observe)

    def _run(self, model, visit):
        with torch.no_grad(), Sites(model, visit):
            return [model(**batch) for batch in self.batches]

    def _observe(self, name, func, args, kwargs):
        if name in self.sites:
            low, high = self.ranges.get(name, (math.inf, -math.inf))
            self.ranges[name] = min(low, float(args[0].min())), max(high, float(args[0].max()))
        return func(*args, **kwargs)

    def _quantized_input(self, name, x):
        if name not in self.sites or self.activation == "float":
            return x
        return dynamic(x) if self.activation == "dynamic" else through_codes(x, *affine(*self.ranges[name]))

    def input_parameters(self):
        """Weight -> (scale, zero point) of the activation that goes into its operators."""
        return {name: affine(*limits) for name, limits in self.ranges.items()}

    def outputs(self):
        """Of the quantized model, for every batch."""
        model = copy.deepcopy(self.model)
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        for name, value in self.weights.items():
            tensors[name].data.copy_(value)

        def visit(name, func, args, kwargs):
            return func(self._quantized_input(name, args[0]), *args[1:], **kwargs)

        return self._run(model, visit)

    def local_sqnr_db(self):
        """Weight -> SQNR of its operators alone, each given the float model's own input."""
        sums = {}

        def visit(name, func, args, kwargs):
            result = func(*args, **kwargs)
            if name in self.weights:
                view = args[1]
                weight = self.weights[name].to(view.dtype).contiguous().as_strided(
                    view.size(), view.stride(), view.storage_offset())
                other = func(self._quantized_input(name, args[0]), weight, *args[2:], **kwargs)
                signal, noise = sums.get(name, (0.0, 0.0))
                sums[name] = (signal + float((result.double() ** 2).sum()),
                              noise + float(((result.double() - other.double()) ** 2).sum()))
            return result

        self._run(self.model, visit)
        return {name: math.inf if noise == 0 else 10 * math.log10(signal / noise)
                for name, (signal, noise) in sums.items()}
