from .command import (
    Sources as Sources,
    plot_song as plot_song,
)
