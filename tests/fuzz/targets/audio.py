"""Audio: tiny files of every format that is read, decoded whole as ``lstmcore features`` does."""

from __future__ import annotations

import importlib.util
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import patch

import numpy as np
import soundfile

from lstmcore.features import media
from lstmcore.features.decoded import decode
from lstmcore.features.errors import AudioError, printable
from lstmcore.features.pieces import Damaged
from tests.fuzz.target import Target

RATE = 8000


def _sound(
    seconds: float = 0.05, channels: int = 1, rate: int = RATE
) -> np.ndarray[Any, np.dtype[np.float64]]:
    times = np.arange(round(seconds * rate)) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * (k + 1) * times) for k in range(channels)], axis=1)


def _written(
    folder: Path, format: str, subtype: str | None = None, channels: int = 1, rate: int = RATE, **options: Any
) -> bytes:
    path = folder / "seed"
    seconds = options.pop("seconds", 0.05)
    soundfile.write(path, _sound(seconds, channels, rate), rate, subtype, format=format, **options)
    return path.read_bytes()


def _of(*forms: tuple[str, str | None, int, int]) -> Callable[[Path], list[bytes]]:
    return lambda folder: [_written(folder, *form) for form in forms]


def decoded(content: bytes, folder: Path, name: str = "song") -> None:
    """Decode a file as the features do, and look at what comes out."""
    song = folder / name
    song.write_bytes(content)
    whole(song, folder)


def whole(song: Path, folder: Path) -> None:
    """Decode a file; its samples must be as many as it says, and finite, or the error one line about it."""
    try:
        with _unheard():
            found = decode(song, folder, keep_samples=True)
    except AudioError as error:
        if not str(error).startswith(f"{printable(song)}: ") or "\n" in str(error):
            raise AssertionError(str(error)) from error
        raise
    assert found.samples is not None
    assert found.rate > 0
    assert found.frames > 0
    samples = found.samples[0 : found.frames]
    assert samples.shape == (found.frames, found.samples.channels)
    assert np.isfinite(samples).all()


@contextmanager
def _unheard() -> Iterator[None]:
    """Have standard error go nowhere: libsndfile lets the decoder of MP3 complain there of damaged frames."""
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


# Containers of plain sound


def _chunk_seeds(folder: Path) -> list[bytes]:
    forms = [
        *(("WAV", "PCM_16", 1), ("WAV", "FLOAT", 2), ("WAV", "PCM_U8", 1), ("WAV", "IMA_ADPCM", 1)),
        *(("WAVEX", "PCM_24", 2), ("RF64", "PCM_16", 1), ("W64", "PCM_16", 1), ("WAV", "GSM610", 1)),
    ]
    seeds = [_written(folder, *form) for form in forms]
    plain = seeds[0]
    endless = plain[:4] + b"\xff" * 4 + plain[8:40] + b"\xff" * 4 + plain[44:]  # as written to a pipe
    inside = _written(folder, "MP3", None, seconds=0.1)
    head = b"WAVEfmt " + struct.pack("<IHHIIHHH", 18, 0x55, 1, RATE, 2000, 1, 0, 0)
    body = head + b"data" + struct.pack("<I", len(inside)) + inside
    return [*seeds, endless, b"RIFF" + struct.pack("<I", len(body)) + body]


def _iff_seeds(folder: Path) -> list[bytes]:
    forms = [
        *(("AIFF", "PCM_16", 1), ("AIFF", "FLOAT", 1), ("AIFF", "PCM_24", 2), ("CAF", "PCM_16", 1)),
        *(("CAF", "ALAC_16", 1), ("AU", "PCM_16", 1), ("AU", "FLOAT", 2), ("SVX", "PCM_16", 1)),
    ]
    return [_written(folder, *form) for form in forms]


# Compressed sound


def _flac_seeds(folder: Path) -> list[bytes]:
    plain = _written(folder, "FLAC", "PCM_16")
    tagged = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10) + plain
    return [plain, _written(folder, "FLAC", "PCM_24", 2), tagged]


def _ogg_seeds(folder: Path) -> list[bytes]:
    opus = _written(folder, "OGG", "OPUS", 1, 48000)
    vorbis = _written(folder, "OGG", "VORBIS", 1, RATE)
    return [vorbis, opus, _ogg_flac(folder)]


def _ogg_flac(folder: Path) -> bytes:
    """Put the parts of a FLAC file into pages: libsndfile writes none."""
    plain = _written(folder, "FLAC", "PCM_16")
    at, blocks, last = 4, [], False
    while not last:
        last, length = bool(plain[at] & 0x80), int.from_bytes(plain[at + 1 : at + 4])
        blocks.append(plain[at : at + 4 + length])
        at += 4 + length
    first = b"\x7fFLAC\x01\x00" + struct.pack(">H", len(blocks) - 1) + b"fLaC" + blocks[0]
    packets = [first, *blocks[1:], plain[at:]]
    pages = []
    for number, packet in enumerate(packets):
        flags = 2 if number == 0 else 4 if number == len(packets) - 1 else 0
        table = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        head = struct.pack(
            "<4sBBQIIIB", b"OggS", 0, flags, 400 if flags == 4 else 0, 7, number, 0, len(table)
        )
        pages.append(head + table + packet)
    return sealed(b"".join(pages))


def sealed(content: bytes) -> bytes:
    """Put the checksums of Ogg pages right, so that what is changed gets past them."""
    found = bytearray(content)
    at = content.find(b"OggS")
    while at >= 0:
        table = content[at + 27 : at + 27 + (content[at + 26] if len(content) > at + 26 else 0)]
        end = at + 27 + len(table) + sum(table)
        if end <= len(content):
            found[at + 22 : at + 26] = _page_checksum(bytes(found[at:end])).to_bytes(4, "little")
        at = content.find(b"OggS", end if end <= len(content) else at + 4)
    return bytes(found)


def _page_checksum(page: bytes) -> int:
    reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    blank = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(blank.translate(reverse), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def _mp3_seeds(folder: Path) -> list[bytes]:
    plain = _written(folder, "MP3", None, 1, 16000, seconds=0.1)
    varying = _written(folder, "MP3", None, 1, 16000, seconds=0.2, bitrate_mode="VARIABLE")
    first = plain.find(b"\xff", 1)
    tagged = b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + plain + b"TAG" + bytes(125)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    lyrics = b"LYRICSBEGININD00002" + b"10" + b"000021LYRICS200"
    return [plain, varying, plain + varying, plain[first:], tagged, plain + ape, plain + lyrics]


# What FFmpeg decodes

_MEDIA = [
    ("mp4", "aac", {}),
    ("mp4", "alac", {"movflags": "faststart"}),
    ("matroska", "flac", {}),
    ("webm", "libopus", {}),
    ("asf", "wmav2", {}),
    ("avi", "pcm_s16le", {}),
    ("adts", "aac", {}),
    ("ac3", "ac3", {}),
    ("wv", "wavpack", {}),
    ("flv", "aac", {}),
    ("mpegts", "mp2", {}),
    ("tta", "tta", {}),
]


def _media_seeds(folder: Path) -> list[bytes]:
    return list(_encoded(folder))


def _encoded(folder: Path) -> Iterator[bytes]:
    import av

    for number, (form, codec, options) in enumerate(_MEDIA):
        rate = 48000 if codec == "libopus" else 44100 if form == "flv" else 16000
        if codec == "ac3":
            rate = 48000
        path = folder / f"seed-{number}"
        sound = np.round(_sound(0.1, 1, rate) * 32767).astype(np.int16)
        try:
            with av.open(str(path), "w", format=form, options=options) as container:
                stream: Any = container.add_stream(codec, rate=rate, layout="mono")
                if codec == "wavpack":
                    stream.format = "s16p"
                frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
                frame.sample_rate = rate
                container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        except (av.error.FFmpegError, ValueError):  # this FFmpeg has no such encoder
            continue
        yield path.read_bytes()


def _decoded_here(content: bytes, folder: Path) -> None:
    """Decode a file without the decoder's own process, which takes long to begin."""
    with patch.object(media, "ask", _answered):
        decoded(content, folder)


@contextmanager
def _answered(file: BinaryIO, demuxer: str) -> Iterator[media.Answer]:
    from lstmcore.features.media_decoder import answer

    with io.BytesIO() as out:
        answer(file, demuxer, out)
        out.seek(0)
        yield media.Answer(out, lambda: Damaged("the answer has no end"))


# Names


def _name_seeds(folder: Path) -> list[bytes]:
    return [
        b"song.wav",
        b"-o.flac",
        b"a\nb.mp3",
        b"\xe9t\xe9.ogg",
        b"._song.mp3",
        b"con.aiff",
        "ü\u2028.wav".encode(),
    ]


def _named(content: bytes, folder: Path) -> None:
    """A whole file under any name that a folder can hold: read, or an error of one line."""
    from lstmcore.experiments.extraction.inputs import find_songs, table_names
    from lstmcore.features.decoded import wav16_writer

    name = content.replace(b"/", b"").replace(b"\0", b"")[:255]
    if name in (b"", b".", b".."):
        return
    place = folder / "songs"
    place.mkdir()
    song = Path(f"{place}/".encode().__add__(name).decode("utf-8", "surrogateescape"))
    with wav16_writer(song, RATE, 1) as write:
        write(np.zeros((100, 1), np.int16))
    whole(song, folder)
    for given in ([song], [place]):
        songs = find_songs(given)
        for table in table_names(songs, ".csv").values():
            assert "/" not in str(table), table
            assert printable(str(table)), table


_WORDS_OF_CHUNKS = (
    *(b"RIFF", b"RIFX", b"RF64", b"WAVE", b"fmt ", b"data", b"fact", b"ds64", b"LIST", b"id3 ", b"PEAK"),
    *(
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\x00\x00\x00\x00",
        b"\x55\x00",
        b"\xfe\xff",
    ),
)
_WORDS_OF_IFF = (
    *(
        b"FORM",
        b"AIFF",
        b"AIFC",
        b"COMM",
        b"SSND",
        b"8SVX",
        b"VHDR",
        b"BODY",
        b"caff",
        b"desc",
        b"pakt",
        b"kuki",
    ),
    *(b".snd", b"dns.", b"\xff" * 8, b"\xff" * 4, b"\x7f" + b"\xff" * 7, b"\x00" * 8),
)
_WORDS_OF_MP3 = (
    b"Xing",
    b"Info",
    b"VBRI",
    b"ID3\x04",
    b"TAG",
    b"TAG+",
    b"APETAGEX",
    b"LYRICS200",
    b"\xff\xfb\x90",
)
_WORDS_OF_MEDIA = (
    *(
        b"ftyp",
        b"moov",
        b"mdat",
        b"trak",
        b"mdia",
        b"minf",
        b"stbl",
        b"stsd",
        b"stsz",
        b"stco",
        b"elst",
        b"edts",
    ),
    *(
        b"mvhd",
        b"mdhd",
        b"udta",
        b"iTunSMPB",
        b"dref",
        b"url ",
        b"moof",
        b"\xff" * 4,
        b"\xff" * 8,
        b"http://x/",
    ),
)

TARGETS = [
    Target("audio-wav", _chunk_seeds, decoded, _WORDS_OF_CHUNKS),
    Target("audio-aiff-caf-au", _iff_seeds, decoded, _WORDS_OF_IFF),
    Target("audio-flac", _flac_seeds, decoded, (b"fLaC", b"ID3", b"\xff\xf8")),
    Target(
        "audio-ogg",
        _ogg_seeds,
        lambda content, folder: decoded(sealed(content), folder),
        (b"OggS", b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   "),
    ),
    Target("audio-mp3", _mp3_seeds, decoded, _WORDS_OF_MP3),
    Target("audio-names", _name_seeds, _named, (b"..", b"\x1b[31m", b"\xff", b".wav", "\u202e".encode())),
]
if importlib.util.find_spec("av"):
    TARGETS.append(Target("audio-media", _media_seeds, _decoded_here, _WORDS_OF_MEDIA))
