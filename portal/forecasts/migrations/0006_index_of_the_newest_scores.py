"""Scores are listed newest first: without an index on that, each page sorted all of the ledger's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("forecasts", "0005_deadline_notices"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="forecastscore",
            index=models.Index(fields=["-as_of", "-id"], name="forecasts_newest_scores"),
        ),
    ]
