from .experiment import (
    Run as Run,
    run_experiment as run_experiment,
)
from .folder import (
    default_folder as default_folder,
)
from .session import (
    Session as Session,
)
from .transfer import (
    Transfer as Transfer,
    score_model as score_model,
)
