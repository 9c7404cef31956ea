"""gunicorn's settings. The address comes from the command line (``--bind``), everything else has its place here."""

from typing import Any

from gunicorn.glogging import Logger


class RequestLog(Logger):
    """Every request but those for fonts, styles and scripts, of which each page asks a dozen."""

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        if not environ["PATH_INFO"].startswith("/static/"):
            super().access(resp, req, environ, request_time)


worker_class = "gthread"
"""Threads: requests wait for PostgreSQL most of the time, and a probe of the health must not queue behind an upload."""
workers = 2
threads = 8
timeout = 120
graceful_timeout = 30
max_requests = 20_000
max_requests_jitter = 2_000
logger_class = RequestLog
accesslog = "-"
errorlog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s bytes %(M)s ms'
