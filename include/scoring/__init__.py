"""How good a published run was, and whether a series' forecasts have become worse."""
