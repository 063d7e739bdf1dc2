"""openSMILE called by itself, with FS1's configuration: what `features.extract_fs1` is compared with.

openSMILE's Python package is licensed by audEERING for private, research and educational use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import opensmile
import opensmile.core
from numpy.typing import NDArray
from opensmile.core.lib import OpenSMILE

from lstmcore import features

CONFIG = Path(next(iter(opensmile.core.__path__)), "config")
LLD_INCLUDE = CONFIG / "is09-13" / "IS13_ComParE_core.lld.conf.inc"
BUFFER_INCLUDE = CONFIG / "shared" / "BufferModeRb.conf.inc"
FS1_CONF = Path(features.__file__).parent / "conf" / "fs1.conf"


def run_directly(wav: Path, lld_include: Path = LLD_INCLUDE) -> NDArray[np.float32]:
    """Run openSMILE's library on a WAV file that is there already.

    Parameters
    ----------
    wav
        16-bit WAV file.
    lld_include
        The low-level descriptors' configuration.

    Returns
    -------
    NDArray
        Shape (rows, 260).
    """
    rows: list[NDArray[np.float32]] = []
    smile = OpenSMILE()
    options = {"wav": str(wav), "lldinc": str(lld_include), "bufferModeRbConf": str(BUFFER_INCLUDE)}
    smile.initialize(str(FS1_CONF), options=options, loglevel=0, console_output=False)
    smile.external_sink_set_callback("extsink", lambda row: rows.append(row.copy()))
    smile.run()
    smile.free()
    return np.array(rows)


def smile_object(folder: Path, workers: int = 1) -> Any:
    """Make openSMILE's usual Python interface compute FS1.

    Its configuration is FS1's with the package's own source and sink.

    Parameters
    ----------
    folder
        Where the configuration is written.
    workers
        Its threads, for many files.

    Returns
    -------
    opensmile.Smile
        With ``process_file``; for mono files, as it rounds a mix of channels to 16 bits.
    """
    memory = "[componentInstances:cComponentManager]\ninstance[dataMemory].type=cDataMemory\n"
    text = FS1_CONF.read_text()
    summary = text[text.index("[componentInstances", text.index("lldinc{?}")) : text.index("[extsink:")]
    summary = summary.replace("instance[extsink].type=cExternalSink\n", "")
    lld = folder / LLD_INCLUDE.name
    lld.write_text(LLD_INCLUDE.read_text().replace("../shared", str(BUFFER_INCLUDE.parent)))
    conf = folder / "fs1_interface.conf"
    conf.write_text(
        f"{memory}\\{{\\cm[source{{?}}:source]}}\n\\{{{lld}}}\n{summary}\n\\{{\\cm[sink{{?}}:sink]}}\n"
    )
    return opensmile.Smile(feature_set=str(conf), feature_level="func", num_workers=workers)
