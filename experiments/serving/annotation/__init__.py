"""Rating songs over time on a page: ``lstmcore annotate``."""
