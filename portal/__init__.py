"""The portal: governs models, keeps observations and forecasts, serves people and programs."""
