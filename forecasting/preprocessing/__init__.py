"""What is done to series before a model sees them; the measured values stay beside what was made of them."""

from forecasting.preprocessing.aggregation import Aggregate, aggregate, aggregation

__all__ = ["Aggregate", "aggregate", "aggregation"]
