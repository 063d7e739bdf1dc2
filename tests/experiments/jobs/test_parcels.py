"""Work as bytes: what is large goes apart and once, and what comes of the bytes is the same."""

import gc
import pickle
import threading
from contextlib import contextmanager

import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.jobs.executor import Threads
from lstmcore.experiments.jobs.parcels import Packer, Parcel, Unpacker
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import split
from lstmcore.experiments.training.trial import TrialData, network_jobs
from tests.experiments.run.test_run import contents

SYSTEM = "systems=[{name='svr', estimator='sklearn.linear_model:Ridge'}]"


class Elsewhere(Threads):
    """Does work as another machine does: from bytes, with nothing else of this process."""

    def __init__(self):
        super().__init__(1)
        self.sizes, self.shared, self.unpacker = [], [], Unpacker()

    def do(self, work, site, stop):
        packer = Packer()
        packed = [packer.pack(piece) for piece in work]
        songs = pickle.loads(pickle.dumps(Parcel(packer.bulky)))
        common = pickle.loads(pickle.dumps(Parcel(packer.common)))
        self.shared.append(len(common))
        for piece, one in zip(work, packed, strict=True):
            self.sizes.append(len(one.content))
            assert one.bulky <= songs.keys()
            assert one.common <= common.keys()
            again = self.unpacker.unpack(pickle.loads(pickle.dumps(one)), [songs, common])
            assert [job.name for job in again.jobs] == [job.name for job in piece.jobs]
            again.do(site)


@pytest.mark.parametrize(
    "said",
    [
        [],
        ["network.targets=single", "folds.stopping=rotating", "training.excerpt_seconds=2"],
        ["pretraining.strategy=layerwise", "training.decorrelate=0.5"],
        ["pretraining.strategy=next_frames", "training.sequence_seconds=8"],
        ["pretraining.strategy=sequence_autoencoder", "pretraining.piece_seconds=2", SYSTEM],
    ],
    ids=lambda said: " ".join(said) or "the usual",
)
def test_networks_of_bytes_are_the_same(tiny, monkeypatch, said):
    experiment = load_experiment(tiny / "tiny.toml", said)
    run_experiment(experiment, Session(tiny / "here", 1))
    elsewhere = Elsewhere()
    monkeypatch.setattr("lstmcore.experiments.run.session.open_engine", opened(elsewhere))
    run_experiment(experiment, Session(tiny / "elsewhere", 1))
    assert contents(tiny / "elsewhere") == contents(tiny / "here")
    assert max(elsewhere.shared) == 1  # of all jobs of a stage
    assert max(elsewhere.sizes) < 15_000


def jobs_of(tiny, said=()):
    config = load_experiment(tiny / "tiny.toml", said)
    dataset = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    return network_jobs(TrialData(config, dataset, split(dataset.development, config.folds), []))


def opened(executor):
    @contextmanager
    def open_engine(*_):
        yield executor

    return open_engine


def test_jobs_share_elsewhere_what_they_share_here_and_forget_it(tiny):
    jobs, packer, unpacker = jobs_of(tiny)[:2], Packer(), Unpacker()
    packed = [packer.pack(job) for job in jobs]
    parcels = [packer.bulky, packer.common]
    first, second = (unpacker.unpack(one, parcels) for one in packed)
    sets = [job.training().sets for job in (first, second)]
    assert sets[0] is sets[1]
    assert len(unpacker._common) == 1
    del first, second, sets
    gc.collect()
    assert len(unpacker._common) == 0


def test_what_is_shared_has_a_name_by_its_content(tiny):
    names = []
    for said in ([], [], ["network.forget_bias=1"]):
        packer = Packer()
        for job in jobs_of(tiny, said):
            packer.pack(job)
        names.append(list(packer.common))
    assert names[0] == names[1] != names[2]
