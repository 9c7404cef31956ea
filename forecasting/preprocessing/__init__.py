"""What is done to series before a model sees them; the measured values stay beside what was made of them.

from forecasting.preprocessing import preprocess

prepared = preprocess(history, "standard", timezone="Australia/Melbourne", country="AU", subdivision="VIC")
model.fit(prepared.values)
"""

from forecasting.preprocessing.aggregation import Aggregate, aggregate, aggregation
from forecasting.preprocessing.preprocessed import Preprocessed, preprocess, profile_of_evidence
from forecasting.preprocessing.profiles import PROFILES, Profile, profile_named
from forecasting.preprocessing.resampling import resample
from forecasting.preprocessing.steps import STEPS, Flatline, Linear, NeighbouringWeeks, Outliers, Resample

__all__ = [
    "PROFILES",
    "STEPS",
    "Aggregate",
    "Flatline",
    "Linear",
    "NeighbouringWeeks",
    "Outliers",
    "Preprocessed",
    "Profile",
    "Resample",
    "aggregate",
    "aggregation",
    "preprocess",
    "profile_named",
    "profile_of_evidence",
    "resample",
]
