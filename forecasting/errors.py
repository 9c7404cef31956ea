"""What can go wrong, as one small tree: catch `ForecastingError` for all of it."""


class ForecastingError(Exception):
    """Any error that this library raises on purpose."""


class SettingsError(ForecastingError):
    """A setting or hyper-parameter is unknown or out of range; the message names it and what is allowed."""


class UnknownModelError(SettingsError):
    """No model of that kind exists; the message lists those that do."""


class DataContractError(ForecastingError):
    """A frame breaks the data contract; the message names the row, the value and the rule.

    `row` is the zero-based position of the first offending row (None when the whole frame is at fault), `value`
    what stands there, and `rule` what should.
    """

    def __init__(self, message: str, *, rule: str, row: int | None = None, value: object = None) -> None:
        super().__init__(f"{message}; rule: {rule}")
        self.rule = rule
        self.row = row
        self.value = value


class NotFittedError(ForecastingError):
    """The model has not been fitted, so it cannot forecast or be saved."""


class ArtifactError(ForecastingError):
    """A saved model is missing, damaged, swapped or of an unknown format; nothing of it has been parsed."""


class StudyBusyError(ForecastingError):
    """Another process works on the same search of hyper-parameters; once it has ended, this one can go on."""
