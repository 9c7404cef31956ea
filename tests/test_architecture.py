"""The rules of docs/architecture.md that no single test would notice: who may import whom, and what no code may do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("dags", "forecasting", "include", "plugins", "portal", "stack")
IGNORED_FOLDERS = {"__pycache__", "build", "dist", "htmlcov", "node_modules", "venv"}
LEARNING = {"deepchecks", "jax", "keras", "lightgbm", "sklearn", "statsmodels", "whylogs"}

# Package → what it never imports, at the top of a module or inside a function.
NEVER = {
    "forecasting": {"airflow", "django", "include", "portal", "plugins", "stack", "dags", "httpx"},
    "include": {"portal", "django", "plugins", "stack", "dags", "psycopg", "psycopg2"},
    "portal": {"forecasting", "include", "dags", "plugins", "stack", "airflow"} | LEARNING,
    "plugins": {"forecasting", "portal", "stack", "dags"},
    "stack": {"forecasting", "include", "portal", "plugins", "dags", "airflow", "django"},
}
# The one module → the one thing that its package never imports and it does; both contract and test know no other.
BUT = {"include/sources/sql.py": {"psycopg"}}
# Package → all that it imports beside the standard library and itself.
ONLY = {
    "dags": {"airflow.sdk", "include"},
    "plugins": {"airflow.plugins_manager", "airflow.sdk", "include.settings"},
}
# What may be set (never read) in the environment by the library: switches of libraries that look nowhere else.
ENVIRONMENT = {
    "forecasting/network.py": [
        "os.environ.setdefault('KERAS_BACKEND', 'jax')",
        "os.environ.setdefault('NPROC', str(threads))",
    ],
    "forecasting/quality/compatibility.py": ["os.environ.update(NO_TELEMETRY)"],
}
# What the project names in its dependencies and imports nowhere.
NOT_IMPORTED = {
    "apache-airflow-providers-fab": "the auth manager of the shared Airflow, in its configuration",
    "apache-airflow-providers-postgres": "brings asyncpg, the driver of Airflow's asynchronous sessions",
    "apache-airflow-providers-standard": "runs what @task decorates",
    "django-axes": "named in the portal's settings",
    "jax": "computes for Keras",
    "plotly": "held where Deepchecks can write its reports",
    "psycopg2-binary": "the driver in the address of Airflow's database",
    "scikit-learn": "held where Deepchecks can use it",
    "setuptools": "builds the project in its environment; Deepchecks needs its pkg_resources",
    "whitenoise": "named in the portal's settings",
}
# Modules beside operations.py that write rows.
WRITERS = {
    "portal/alerts/outbox.py": "the mails about an alert, in the transaction that changes it",
    "portal/core/access.py": "people and roles of a new portal, in one transaction",
    "portal/core/idempotency.py": "the answers kept for a request that comes again",
    "portal/core/outbox.py": "claims and marks what is sent; each claim is a transaction of its own",
    "portal/forecasts/deadlines/telling.py": "what could not be told of a deadline, until it is",
    "portal/registry/daily_audit.py": "what an audit found, in the transaction of its alerts",
    "portal/series/catalog.py": "series and sources from a file, in one transaction",
}
CLOCK = re.compile(r"(^|\.)(now|utcnow|today)$|^time\.(time|time_ns|localtime|gmtime|ctime|asctime|strftime)$")
PICKLE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "torch"}
MACHINE_PATH = re.compile(r"(?<![\w.}*-])/(?:work|root|home/\w+|Users/\w+)/[\w.-]")
REGISTRY = re.compile(
    r"(?i)\b(?:pypi|pythonhosted|npmjs)\.(?:org|com)\b|//[\w.:-]+(?<!\.example)/simple\b|looking in index(?:es)"
)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def modules(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if not {"__pycache__", "migrations"} & set(path.parts)]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a module imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, "." * node.level + f"{node.module}.{alias.name}") for alias in node.names)


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    """The calls in a module, each with what is called: ``time.sleep``, ``now``."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def within(imported: str, *places: str) -> bool:
    return any(imported == place or imported.startswith(f"{place}.") for place in places)


@cache
def tracked() -> tuple[Path, ...]:
    """The project's files as git has them; without git, all but those in ignored folders."""
    asked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    if asked.returncode == 0 and asked.stdout:
        found = [ROOT / path for path in asked.stdout.split("\0") if path]
    else:
        found = [
            path
            for path in ROOT.rglob("*")
            if not any(
                part in IGNORED_FOLDERS or part.startswith(".") or part.endswith(".egg-info")
                for part in path.relative_to(ROOT).parts[:-1]
            )
        ]
    return tuple(path for path in found if path.is_file())


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{name(path)}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if pattern.search(line)
        ]
    return found


def test_the_import_contracts_are_kept() -> None:
    script = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True, no_logo=True))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("package", NEVER)
def test_the_contracts_forbid_what_the_architecture_forbids(package: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert settings["include_external_packages"] is True
    assert set(PACKAGES) <= set(settings["root_packages"])
    forbidden = {
        module
        for contract in settings["contracts"]
        if contract["type"] == "forbidden" and package in contract["source_modules"]
        for module in contract["forbidden_modules"]
    }
    assert NEVER[package] <= forbidden
    ignored = [line for contract in settings["contracts"] for line in contract.get("ignore_imports", [])]
    exceptions = [f"{path[:-3].replace('/', '.')} -> {what}" for path, modules in BUT.items() for what in modules]
    assert ignored == exceptions


@pytest.mark.parametrize("package", NEVER)
def test_a_package_imports_nothing_that_is_not_for_it(package: str) -> None:
    found = [(name(path), line, what) for path in modules(package) for line, what in imports(path)]
    assert [each for each in found if within(each[2], *NEVER[package] - BUT.get(each[0], set()))] == []


@pytest.mark.parametrize("package", ONLY)
def test_wiring_imports_only_what_it_wires(package: str) -> None:
    allowed = (*ONLY[package], *sys.stdlib_module_names)
    assert [f"{name(p)}:{n} {m}" for p in modules(package) for n, m in imports(p) if not within(m, *allowed)] == []


@cache
def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}


@cache
def origins() -> dict[str, set[str]]:
    """Module imported from outside → the packages that can bring it; several share the name airflow, one has it."""
    installed = {**packages_distributions(), "airflow": ["apache-airflow"]}
    outside = {what.partition(".")[0] for path in modules(*PACKAGES) for _, what in imports(path)}
    outside -= {*sys.stdlib_module_names, *PACKAGES}
    return {module: {canonicalize_name(each) for each in installed.get(module, [module])} for module in outside}


def test_what_is_imported_is_named_in_the_dependencies() -> None:
    """What comes only because another package asks for it goes when that one no longer does."""
    assert {module for module, packages in origins().items() if not packages & dependencies()} == set()


def test_a_dependency_is_imported_or_said_to_be_used_otherwise() -> None:
    imported = {package for packages in origins().values() for package in packages}
    assert dependencies() - imported == set(NOT_IMPORTED)


def asks_a_clock(node: ast.AST) -> bool:
    """Whether this reaches for the time of day: ``datetime.now``, ``time.time``, ``pd.Timestamp("now")``, ``now()``."""
    if isinstance(node, ast.Call):
        texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        return ast.unparse(node.func) in ("now", "utcnow", "today") or "now" in texts or "today" in texts
    return isinstance(node, ast.Attribute) and bool(CLOCK.search(ast.unparse(node)))


def test_code_that_is_handed_the_time_never_asks_a_clock() -> None:
    places = modules("forecasting", "include", "dags", "plugins")
    asked = [(p, ast.unparse(node)) for p in places for node in ast.walk(tree_of(p)) if asks_a_clock(node)]
    assert [f"{name(p)}: {code}" for p, code in asked] == []
    assert [f"{name(p)}:{n} {m}" for p in places for n, m in imports(p) if CLOCK.search(m)] == []


def test_the_library_reads_no_environment() -> None:
    used = {}
    for path in modules("forecasting"):
        parents = {child: node for node in ast.walk(tree_of(path)) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "getenvb"):
                used.setdefault(name(path), []).append(ast.unparse(parents[parents[node]]))
    assert used == ENVIRONMENT
    assert [
        name(p) for p in modules("forecasting") for _, m in imports(p) if re.match(r"os\.(environ|getenv)", m)
    ] == []


def test_an_asset_is_named_by_its_uri_in_one_place_only() -> None:
    places = [
        name(path)
        for path in modules("dags", "include", "plugins")
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"gridcast://", node.value))
        or (isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("Asset", "AssetAlias"))
    ]
    assert set(places) == {"include/assets.py"}


def test_nothing_that_runs_code_when_it_is_read_is_imported_or_asked_for() -> None:
    places = modules(*PACKAGES, "tests", "data")
    assert [f"{name(p)}:{n} {m}" for p in places for n, m in imports(p) if within(m, *PICKLE)] == []
    unsafe = [
        f"{name(path)}:{call.lineno} {ast.unparse(call)}"
        for path in places
        for call, what in calls(path)
        if what.rpartition(".")[2] in ("read_pickle", "to_pickle", "unsafe_load", "full_load")
        or any(k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in call.keywords)
        or any(k.arg == "safe_mode" and ast.unparse(k.value) == "False" for k in call.keywords)
    ]
    assert unsafe == []
    loads = [call for path in modules("forecasting") for call, what in calls(path) if what in ("np.load", "numpy.load")]
    assert loads
    assert all("allow_pickle=False" in ast.unparse(call) for call in loads), "the default may change, ours does not"


def test_rows_are_written_in_operations_and_in_the_few_modules_named_here() -> None:
    verbs = "save|create|delete|bulk_create|bulk_update|get_or_create|update_or_create|insert_rows"
    writes = re.compile(rf"\.(a?(?:{verbs}))$")
    writers = {
        name(path)
        for path in modules("portal")
        for call, what in calls(path)
        if writes.search(what) or (what.endswith(".update") and call.keywords and not call.args)
    }
    beside = {path for path in writers if not path.endswith("/operations.py")}
    assert beside == set(WRITERS)
    assert {path.split("/")[1] for path in writers} >= {"alerts", "quality", "registry", "series"}, (
        "operations are seen"
    )


def test_a_module_is_read_in_one_go() -> None:
    long = {name(p): len(p.read_text().splitlines()) for p in modules(*PACKAGES, "tests", "data")}
    assert {path: lines for path, lines in long.items() if lines > 400} == {}


def test_every_module_says_in_a_docstring_what_it_is_for() -> None:
    places = [p for p in modules(*PACKAGES) if p.read_text().strip() or p.parent.name in PACKAGES]
    assert [name(p) for p in places if not ast.get_docstring(tree_of(p))] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRY) == []
    locks = [path for path in tracked() if path.name.startswith("requirements") and path.suffix == ".txt"]
    assert locks
    assert [name(path) for path in locks if re.search(r"(?m)^\s*(--|-\w\b)|://", path.read_text())] == []


@pytest.mark.parametrize(
    ("code", "asks"),
    [
        ("datetime.now(UTC)", True),
        ("pd.Timestamp.today()", True),
        ("np.datetime64('now')", True),
        ("work(clock=time.time)", True),
        ("now()", True),
        ("time.sleep(1)", False),
        ("time.monotonic()", False),
        ("work(now)", False),
    ],
)
def test_a_clock_is_known_when_seen(code: str, *, asks: bool) -> None:
    assert any(asks_a_clock(node) for node in ast.walk(ast.parse(code))) is asks


@pytest.mark.parametrize("line", ["cd |work|main", "HOME=|home|someone|x", "open('|root|.cache')"])
def test_a_path_of_one_machine_is_known_when_seen(line: str) -> None:
    assert MACHINE_PATH.search(line.replace("|", "/"))
    assert not MACHINE_PATH.search(line)


@pytest.mark.parametrize("line", ["https:||pypi.+org", "--index-url http:||10.0.0.1:8080|simple|", "x.npmjs.+org"])
def test_a_package_registry_is_known_when_seen(line: str) -> None:
    assert REGISTRY.search(line.replace("|", "/").replace("+", ""))
    assert not REGISTRY.search(line)
