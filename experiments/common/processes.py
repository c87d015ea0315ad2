"""Several processes of one run, where the environment says so: who leads, and waiting for all.

`JAX_COORDINATOR_ADDRESS`, host:port of the first process, tells that there are others. How many and
which this is say `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, unless JAX finds that out by itself, as
it does under SLURM and Open MPI. All of them write into one folder, that of --output, which must be
one that all see.
"""

import os

import jax
import numpy as np
from jax.experimental import multihost_utils


def join() -> None:
    """Joins the other processes of the run, if the environment names any; before JAX is used."""
    if "JAX_COORDINATOR_ADDRESS" not in os.environ:
        return
    number, own = (os.environ.get(name) for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID"))
    jax.distributed.initialize(
        num_processes=None if number is None else int(number),
        process_id=None if own is None else int(own),
    )


def leads() -> bool:
    """Whether this process opens and ends the run: it is the first, or the only one."""
    return jax.process_index() == 0


def wait_for_all(where: str) -> None:
    """Returns when all processes have come to the same place."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(where)


def as_the_first(value: bool) -> bool:
    """Returns the first process's value."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(value)))
