"""Section ``[execution]``: what does the jobs of an experiment, here or on other machines.

No result depends on it: it is neither in ``config.toml`` nor in the names of runs and jobs.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from lstmcore.experiments.config.explanations import explain
from lstmcore.experiments.config.section import Section
from lstmcore.experiments.errors import InputError


class Cluster(Section):
    """Workers of Dask's that are started for a command, and end with it.

    ``kind``: what starts them: processes of this machine (``local``), or the job queue of a cluster.
    ``workers``: how many.
    ``options``: passed on to what starts them, of a job queue the cluster class of dask-jobqueue: ``queue``,
    ``cores``, ``memory``, ``walltime`` …
    """

    kind: Literal["local", "slurm", "pbs", "sge", "lsf", "htcondor", "moab", "oar"]
    workers: int = Field(ge=1, le=100_000)
    options: dict[str, Any] = Field(default={})


class Execution(Section):
    """What does the jobs: threads of this process, all that work in a shared folder, or a Dask cluster.

    ``scheduler``: address of a running scheduler of Dask's; ``cluster``: how one is started.  Where one of
    them is given and no engine, it is ``dask``.
    """

    engine: Literal["threads", "folder", "dask"] = "threads"
    scheduler: str | None = Field(default=None, min_length=1)
    cluster: Cluster | None = None

    @model_validator(mode="before")
    @classmethod
    def _dask_where_one_is_named(cls, values: Any) -> Any:
        named = isinstance(values, dict) and any(values.get(key) for key in ("scheduler", "cluster"))
        return {"engine": "dask"} | values if named else values

    @model_validator(mode="after")
    def _is_somewhere(self) -> Execution:
        if self.engine == "dask" and (self.scheduler is None) == (self.cluster is None):
            given = (
                "neither scheduler nor cluster" if self.scheduler is None else "both scheduler and cluster"
            )
            raise ValueError(
                f"engine is 'dask' with {given}; expected the address of a running scheduler, such as "
                "scheduler = 'tcp://node1:8786', or cluster.kind and cluster.workers, to start one"
            )
        return self


def execution_of(engine: str | None, scheduler: str | None) -> Execution:
    """Return the section for the two options of a command without an experiment.

    Raises
    ------
    InputError
        If they don't go together.
    """
    values = {"engine": engine, "scheduler": scheduler}
    try:
        return Execution.model_validate({key: value for key, value in values.items() if value is not None})
    except ValidationError as error:
        raise InputError(f"execution: {explain(error, Execution)}") from None
