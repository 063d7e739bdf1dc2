"""What a run tells: tables, plots, pages."""
