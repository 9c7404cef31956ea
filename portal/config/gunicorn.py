"""gunicorn's settings. The address comes from the command line (``--bind``), everything else has its place here."""

worker_class = "gthread"
"""Threads: requests wait for PostgreSQL most of the time, and a probe of the health must not queue behind an upload."""
workers = 2
threads = 8
timeout = 120
graceful_timeout = 30
max_requests = 20_000
max_requests_jitter = 2_000
accesslog = "-"
errorlog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s bytes %(M)s ms'
