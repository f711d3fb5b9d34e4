"""Several processes of one command on this host, started by torchrun's own launcher; it ends as they do."""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

from lensmith.errors import MachineError


def launch(command: Sequence[str], count: int) -> int:
    """Run a command in `count` processes; returns the exit code of the first that failed, 0 where all went well.

    Who fails says why: the launcher adds no words of its own. A signal to it is passed on to all of them. Raises
    `MachineError` where one was killed, and so could say nothing.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    if sys.platform == "linux":  # they all are here, whatever the host is called and whoever knows that name
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
    )
    program, *words = command
    try:
        elastic_launch(config, program)(*words)
    except ChildFailedError as error:
        rank, first = error.get_first_failure()
        if first.exitcode > 0:
            return int(first.exitcode)
        raise MachineError(
            f"process {rank + 1} of {count} was ended by {signal.Signals(-first.exitcode).name}",
            hint="The system does so where memory is short: try fewer processes, or a smaller batch_size. "
            "lensmith resume last goes on from the newest checkpoint.",
        ) from None
    except SignalException as stop:
        return 128 + int(stop.sigval)
    return 0
