"""Which songs, features and targets: what the section ``data`` may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_serializer, model_validator

from lstmcore.experiments.config.also import SHARED, filled_in, has_own_features, stripped
from lstmcore.experiments.config.features import ALONE, Features
from lstmcore.experiments.config.own_data import AudioData, TableData
from lstmcore.experiments.config.section import Section

OWN = ("table", "audio")  # sources of data in no layout of ours, and their sections
LONGEST_SECONDS = 3600.0  # of lead-in and smoothing: longer than any song that is rated
DEAM_SCALE = [-1.0, 1.0]
DEAM_TARGETS = ("arousal", "valence")
WINDOW_SECONDS = 45.0  # the length of DEAM's excerpts


class ProceduralData(Section):
    """Size of the procedural collection; seconds are the annotated length of a song."""

    development: int = Field(default=44, ge=1)
    unlabelled: int = Field(default=22, ge=0)
    test: int = Field(default=6, ge=0)
    seconds: float = Field(default=30.0, ge=20.0)
    test_seconds: float = Field(default=45.0, ge=20.0)
    raters: int = Field(default=10, ge=2)
    seed: int = Field(default=2015, ge=0)


class TargetFiles(Section):
    """Files, relative to ``data.root``, that replace the development songs' annotations."""

    arousal: str
    valence: str


class Quality(Section):
    """Which songs' annotations are good enough to learn from, in arousal and in valence: the task's rule."""

    min_raters: int = Field(default=5, ge=2)
    min_alpha: float = Field(default=0.6, le=1)


class Data(Features):
    """Which songs, features and targets.

    ``normal_scores`` puts in place of each feature's value the standard normal quantile of its rank.
    ``lead_in``: networks hear so many seconds before a song's first annotation, as raters did; their error
    there doesn't count, though errors by frame are of all frames.
    ``window_seconds``: of features ``song_means``, over how long a window means are taken of songs that have
    frames and no row in the table of means.
    ``annotation_delay``: raters answer so many seconds late; features are those of the music so much earlier.
    ``scale``: lowest and highest value that an annotation can have.
    ``unlabelled_folder``: recordings of another collection that are unlabelled songs, too.
    ``labelled_songs``: networks and regressions learn from the annotations of so many development songs,
    spread over the folds; the others are scored as ever, and are unlabelled songs.
    ``official_test_above``: songs with a larger number are the official test set; ``"none"``: there is none.
    ``table``, ``audio``: files and columns of these sources, and ``test_songs`` their official test set.
    ``also``: other data sets, whose songs all networks are trained on, too.
    ``licence``: of the data, a line that the model's card has.
    """

    source: Literal["procedural", "deam", "table", "audio"]
    root: str | None = None
    normal_scores: bool = False
    window_seconds: float = Field(default=WINDOW_SECONDS, gt=0, le=LONGEST_SECONDS)
    lead_in: float = Field(default=0.0, ge=0, le=LONGEST_SECONDS)
    annotation_delay: float = Field(default=0.0, ge=0, le=LONGEST_SECONDS)
    scale: list[Annotated[float, Field(ge=-1e9, le=1e9)]] = Field(
        default=DEAM_SCALE, min_length=2, max_length=2
    )
    targets: TargetFiles | None = None
    development_songs: str | Annotated[list[int | str], Field(min_length=1)] | None = None
    test_songs: str | Annotated[list[int | str], Field(min_length=1)] | None = None
    quality: Quality | None = None
    unlabelled: Literal["others", "all", "none"] = "others"
    unlabelled_folder: str | None = None
    labelled_songs: int | None = Field(default=None, ge=1)
    official_test_above: int | Literal["none"] = 2000
    procedural: ProceduralData = ProceduralData()
    table: TableData | None = None
    audio: AudioData | None = None
    also: list[Data] = Field(default=[])
    licence: str | None = Field(default=None, min_length=1, max_length=500)

    @property
    def others(self) -> list[Data]:
        """The sections ``also``, with what they have in common with this one."""
        shared = {key: getattr(self, key) for key in SHARED}
        of_sets = shared | {"features": self.features}
        tables = [has_own_features({"source": self.source}, {"source": one.source}) for one in self.also]
        return [
            one.model_copy(update=shared if table else of_sets)
            for one, table in zip(self.also, tables, strict=True)
        ]

    @field_serializer("also", mode="wrap")
    def _without_what_is_shared(self, also: list[Data], dump: SerializerFunctionWrapHandler) -> list[Any]:
        return [stripped({"source": self.source}, one) for one in dump(also)]

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of what is annotated and predicted, in the order of the networks' outputs."""
        return DEAM_TARGETS if self.own is None else tuple(self.own.targets)

    @property
    def own(self) -> TableData | AudioData | None:
        """Files and columns of data that aren't in DEAM's layout."""
        return self.table if self.source == "table" else self.audio if self.source == "audio" else None

    @model_validator(mode="before")
    @classmethod
    def _beside_others(cls, values: Any) -> Any:
        return filled_in(values) if isinstance(values, dict) else values

    @model_validator(mode="before")
    @classmethod
    def _of_own_data(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("source") not in OWN:
            return values
        features = {"features": "table"} if values["source"] == "table" else {}
        return features | {"official_test_above": "none"} | values

    @model_validator(mode="before")
    @classmethod
    def _number_or_none(cls, values: Any) -> Any:
        # Said in one sentence; of a union, pydantic would say one for each of its members.
        above = values.get("official_test_above", 0) if isinstance(values, dict) else 0
        if above != "none" and (type(above) is not int or above < 0):
            raise ValueError(f"official_test_above is {above!r}; expected a whole number from 0, or 'none'")
        return values

    @model_validator(mode="after")
    def _scale_rises(self) -> Data:
        if not self.scale[0] < self.scale[1]:
            raise ValueError(f"scale is {self.scale}; expected the lowest value, then the highest")
        return self

    @model_validator(mode="after")
    def _needs_root(self) -> Data:
        if self.source == "deam" and self.root is None:
            raise ValueError(
                "root is missing: the folder of the DEAM data; give it with --set data.root=FOLDER"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_source(self) -> Data:
        for source in OWN:
            if (getattr(self, source) is not None) != (self.source == source):
                raise ValueError(
                    f"{source} is missing: which files and columns there are; expected a section "
                    f"[data.{source}]"
                    if self.source == source
                    else f"{source} is there, and source is {self.source!r}; expected source = {source!r}"
                )
        if self.unlabelled_folder is not None and self.computed_set in ALONE:
            raise ValueError(
                f"unlabelled_folder is there, and features is {self.feature_set!r}, which aren't taken from "
                "recordings there; expected FS1, FS2 or FS3"
            )
        if self.own is None:
            if self.test_songs is not None:
                raise ValueError(
                    f"test_songs is there, and source is {self.source!r}; expected official_test_above"
                )
            return self
        if self.official_test_above != "none":
            raise ValueError(
                f"official_test_above is there, and source is {self.source!r}; expected test_songs"
            )
        if self.targets is not None:
            raise ValueError(
                f"targets is there, and source is {self.source!r}; expected {self.source}.targets"
            )
        raters = self.own.rater is not None or (self.audio is not None and self.audio.raters is not None)
        if self.quality is not None and not raters:
            raise ValueError(f"quality needs raters; expected {self.source}.rater, a column that names them")
        return self
