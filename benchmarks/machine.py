"""What timings depend on beside the code."""

import os
import pathlib
import platform
from typing import Any

import jax

import semigrad as sg


def machine() -> dict[str, Any]:
    """Returns device, processor and versions, by name."""
    return {
        "device": jax.devices()[0].device_kind,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "matmul precision": jax.config.jax_default_matmul_precision or "default",  # pyright: ignore
        "semigrad": sg.__version__,
    }


def _processor() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
