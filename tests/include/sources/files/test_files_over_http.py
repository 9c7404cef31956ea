"""A source that is a file on a web server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from include.errors import SourceError
from tests.include.sources.files.reading import COLUMNS, read, request

CSV = "time,load\n2024-07-01T00:00Z,41.5\n2024-07-01T00:30Z,42\n"


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_file_on_a_web_server_is_read_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meter.csv").write_text(CSV)
    with _served(tmp_path) as address:
        content = read(request(tmp_path, f"{address}/meter.csv", columns=COLUMNS[:1]))
        assert list(content.values().values()) == [41.5, 42.0]
        assert content.parts[0].file == f"{address}/meter.csv"
        with pytest.raises(SourceError, match=r"gone\.csv cannot be read: FileNotFoundError"):
            read(request(tmp_path, f"{address}/gone.csv", columns=COLUMNS[:1]))
