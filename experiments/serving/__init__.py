"""Pages of one's own machine: ``lstmcore serve``, which needs the extra ``serve``."""
