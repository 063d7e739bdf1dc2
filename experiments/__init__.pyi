from .config import (
    Execution as Execution,
    Experiment as Experiment,
    load_experiment as load_experiment,
    with_values as with_values,
)
from .errors import (
    InputError as InputError,
    Interrupted as Interrupted,
)
from .run import (
    Run as Run,
    Session as Session,
    run_experiment as run_experiment,
)
from .studies import (
    Ablated as Ablated,
    Searched as Searched,
    run_ablations as run_ablations,
    run_search as run_search,
)
from .terminal.progress import (
    Progress as Progress,
    new_progress as new_progress,
)
