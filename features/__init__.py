"""Features: from an audio file to 260, 264 or 292 numbers, twice a second.

Follow one file through the room:

``audio`` decodes it block by block, ``decoded`` keeps it on disk as 16-bit WAV, in a folder that
``scratch`` makes → ``compare`` has openSMILE compute FS1, the 260 features of the DEAM data set,
through ``smile`` (one run of openSMILE) on the ``grid`` (windows of 1 s, one every 0.5 s) under the
names and in the order of ``sets``
→ ``music`` adds for FS2 what ``roughness`` (by way of ``spectrum`` and ``peaks``), ``pulse``
(``gammatone``) and ``onsets`` tell of the signal's ``frames``, compiled in ``kernels``, ``filter_lanes``
and ``pairs``
→ ``tonality`` adds for FS3 (``fs3``) what the ``pitch_classes`` of longer windows tell of mode and key
→ ``parts`` has each of FS1, music and tonality computed by itself, and ``store`` keeps it, found again by
the content of the file → ``extract`` puts sets together of them, for one file or for many side by side.
``settings`` holds what can be chosen, ``errors`` says what can be wrong.

    >>> from lstmcore.features import FeatureStore, extract_features
    >>> table = extract_features("song.mp3", "FS1", FeatureStore("features"))

Each stage of the four is a function to be used alone:

    >>> from lstmcore.features import differentiated_envelope, read_audio, tempo
    >>> audio = read_audio("song.mp3")
    >>> tempo(differentiated_envelope(audio.samples, audio.rate)).shape
    (1,)

The room knows nothing of networks or experiments.

FS1 is computed by openSMILE, whose Python package audEERING licenses for private,
research and educational use only; commercial use needs a licence from audEERING.
"""

import lazy_loader

# The names are those of the stub beside this file, each imported when it is asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
