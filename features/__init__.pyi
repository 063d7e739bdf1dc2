from .audio import (
    Audio as Audio,
    read_audio as read_audio,
)
from .errors import (
    AudioError as AudioError,
    ExtractionStopped as ExtractionStopped,
)
from .extract import (
    Extraction as Extraction,
    extract_features as extract_features,
    extract_many as extract_many,
)
from .fs1 import (
    extract_fs1 as extract_fs1,
)
from .fs2 import (
    extract_fs2 as extract_fs2,
    extract_music as extract_music,
    music_rows as music_rows,
)
from .fs3 import (
    extract_tonality as extract_tonality,
    tonality_of as tonality_of,
    tonality_rows as tonality_rows,
)
from .gammatone import (
    Envelope as Envelope,
    differentiated_envelope as differentiated_envelope,
    gammatone_filterbank as gammatone_filterbank,
)
from .grid import (
    HOP_SECONDS as HOP_SECONDS,
    RATE_HZ as RATE_HZ,
    TIME_COLUMN as TIME_COLUMN,
    WINDOW_SECONDS as WINDOW_SECONDS,
    grid_times as grid_times,
)
from .onsets import (
    OnsetCurve as OnsetCurve,
    event_density as event_density,
    onset_curve as onset_curve,
    onset_times as onset_times,
)
from .peaks import (
    Peaks as Peaks,
    pick_peaks as pick_peaks,
    refine_peak as refine_peak,
)
from .pitch_classes import (
    PitchProfile as PitchProfile,
    chroma as chroma,
    pitch_profile as pitch_profile,
    tunings as tunings,
)
from .roughness import (
    dissonance_curve as dissonance_curve,
    sethares_dissonance as sethares_dissonance,
    vassilakis_roughness as vassilakis_roughness,
    vassilakis_weight as vassilakis_weight,
)
from .sets import (
    FEATURE_SETS as FEATURE_SETS,
    columns as columns,
    feature_names as feature_names,
)
from .settings import (
    FeatureSettings as FeatureSettings,
)
from .smile import (
    SmileError as SmileError,
    has_smile as has_smile,
)
from .spectrum import (
    SpectralPeaks as SpectralPeaks,
    spectral_peaks as spectral_peaks,
)
from .store import (
    FeatureKey as FeatureKey,
    FeatureStore as FeatureStore,
    cache_root as cache_root,
    default_folder as default_folder,
    digest_of as digest_of,
)
from .tempo_estimation import (
    autocorrelations as autocorrelations,
    enhance as enhance,
    resonance as resonance,
    tempo as tempo,
)
from .tonality import (
    chroma_entropy as chroma_entropy,
    harmonic_change as harmonic_change,
    key_clarity as key_clarity,
    key_correlations as key_correlations,
    key_mode as key_mode,
    scale_degrees as scale_degrees,
    tonal_centroid as tonal_centroid,
)
