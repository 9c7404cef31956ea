"""`make bench`: accuracy, calibration and cost of our models beside other libraries', measured in one run.

`__main__` asks `runner` for one process per case, regime and model, strictly one after another on one CPU. A process
runs either the outer harness (`harness`, where its folder exists) or our own protocol on the shipped data (`protocol`);
`adapters` are our models in the interface of both, `peers` the other libraries' for our own protocol. `verdicts` holds
the outcome against the targets, `report` and `picture` write it to docs/benchmarks/. `scaling` measures the cost
against the length of the history and the number of series.

`ingest` and `ledger` measure the portal over HTTP beside raw SQL, in a `portal_process` of their own; `replay` sends a
year through Airflow. Each has its `…_report`.
"""
