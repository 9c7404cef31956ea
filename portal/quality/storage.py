"""Where reports lie: under REPORTS_ROOT, never below a URL of their own."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible


@deconstructible(path="portal.quality.storage.ReportStorage")
class ReportStorage(FileSystemStorage):
    """Files under the REPORTS_ROOT of the settings in force; `url()` is refused, as only the API serves reports."""

    def __init__(self) -> None:
        super().__init__(file_permissions_mode=0o640)

    @property
    def base_location(self) -> str:
        return str(settings.REPORTS_ROOT)

    @property
    def location(self) -> str:
        return str(Path(self.base_location).resolve())

    def url(self, name: str | None) -> str:
        raise ValueError("Reports have no address of their own: the API serves them, in a sandbox.")
