#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes model.safetensors beside this file: two linear layers and a norm, 2 kB, float32."""
from pathlib import Path

import numpy
from safetensors.numpy import save_file

random = numpy.random.default_rng(7)
tensors = {
    "fc1.weight": random.standard_normal((16, 8)),
    "fc1.bias": random.standard_normal(16),
    "norm.weight": numpy.ones(16),
    "norm.bias": numpy.zeros(16),
    "fc2.weight": random.standard_normal((12, 16)) * 0.1,
    "fc2.bias": random.standard_normal(12),
}
save_file({name: t.astype(numpy.float32) for name, t in tensors.items()},
          Path(__file__).with_name("model.safetensors"), metadata={"format": "pt"})
