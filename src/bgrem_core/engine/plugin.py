"""What each worker does when it starts."""

from typing import Any

from distributed import WorkerPlugin


class OneThread(WorkerPlugin):
    """Let torch compute with one thread: there is one worker for each core."""

    name = "bgrem-one-thread"

    def setup(self, worker: Any) -> None:  # noqa: ARG002 - the plugin's protocol
        """Set the threads of this process, also where a worker was started again."""
        from contextlib import suppress

        with suppress(ImportError):
            import torch

            torch.set_num_threads(1)
