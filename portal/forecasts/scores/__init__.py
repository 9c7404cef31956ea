"""Scores: how good the published runs were, one row per run and the actuals that it was scored on."""
