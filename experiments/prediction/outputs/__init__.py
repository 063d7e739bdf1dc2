"""What predictions are written as: tables, subtitles, and files of programs that annotate."""
