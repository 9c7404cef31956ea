"""What the runs of one series have in common, asked for once: its facts, its model versions and their artifacts."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from include.artifacts import load_artifact
from include.model_forecast import LoadArtifact
from include.portal import Portal


class RememberingPortal(Portal):
    """The same portal, asked once for each series and each model version: as long as one series is scored."""

    def __init__(self, portal: Portal) -> None:
        self._http = portal._http
        self._series, self._model = cache(portal.series), cache(portal.model)

    def series(self, slug: str) -> dict[str, Any]:
        return self._series(slug)

    def model(self, model_id: int) -> dict[str, Any]:
        return self._model(model_id)


def remembering_load() -> LoadArtifact:
    """`load_artifact` that keeps the last two models: those before and after an approval."""
    return lru_cache(maxsize=2)(load_artifact)
