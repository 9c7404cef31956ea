"""The portal loads no library, so it writes the profiles of the library out; here the two are compared."""

from __future__ import annotations

from forecasting.preprocessing import PROFILES
from portal.series.models import Series


def test_a_series_may_choose_the_profiles_that_the_library_has() -> None:
    assert list(Series.Preprocessing.values) == list(PROFILES)
    assert Series.Preprocessing.RAW in PROFILES
