from .export import (
    ExportOptions as ExportOptions,
    export_model as export_model,
)
from .importing import (
    ImportOptions as ImportOptions,
    import_model as import_model,
)
