"""One song to look at: its sound, the four features of FS2, and its emotion as annotated and as predicted."""

from lstmcore.experiments.report.song.command import Sources, plot_song

__all__ = ["Sources", "plot_song"]
