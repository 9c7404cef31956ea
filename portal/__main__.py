"""``python -m portal <command>``: Django's management commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a management command with the portal's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.config.settings")
    from django.core.management import ManagementUtility

    utility = ManagementUtility(sys.argv)
    utility.prog_name = "python -m portal"
    utility.execute()


if __name__ == "__main__":
    main()
