from .ablation import (
    Ablated as Ablated,
    run_ablations as run_ablations,
)
from .search import (
    Searched as Searched,
    run_search as run_search,
)
