"""Rules for every file of src/: nothing runs code that came as data, and all stays short enough to read."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "adiabat"
FILES = sorted(SOURCE.rglob("*.py"))

MAX_LINES = 500
MAX_FUNCTION_LINES = 80
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_ATTRIBUTES = {
    "yaml.load",
    "yaml.unsafe_load",
    "torch.load",
    "os.system",
    "os.popen",
    "tempfile.mktemp",
}
FORBIDDEN_METHODS = {"extractall", "deserialize_and_load", "tree_deserialise_leaves"}


def violations(tree: ast.AST) -> list[str]:
    """What in a module could run code that came as data, or write outside the folder it should."""
    found = []
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"imports {name}" for name in modules if name.split(".")[0] in FORBIDDEN_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in FORBIDDEN_CALLS | FORBIDDEN_ATTRIBUTES or name.split(".")[-1] in FORBIDDEN_METHODS:
            found.append(f"calls {name}")
        for keyword in node.keywords:
            if keyword.arg in {"shell", "allow_pickle"} and ast.unparse(keyword.value) != "False":
                found.append(f"passes {keyword.arg}={ast.unparse(keyword.value)}")
        if name in {"np.load", "numpy.load"} and "allow_pickle" not in {k.arg for k in node.keywords}:
            found.append("np.load without allow_pickle=False")
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from cloudpickle import loads",
        "eval(text)",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(command, shell=True)",
        "archive.extractall(folder)",
    ],
)
def test_the_check_itself_sees(code: str):
    assert violations(ast.parse(code))


def test_nothing_runs_code_from_data():
    found = {str(path.relative_to(ROOT)): violations(ast.parse(path.read_text())) for path in FILES}
    assert not {path: what for path, what in found.items() if what}


def test_files_are_short_and_named_for_what_they_hold():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert not {path: n for path, n in lines.items() if n > MAX_LINES}
    parts = {part.removesuffix(".py") for path in FILES for part in path.relative_to(SOURCE).parts}
    assert not parts & VAGUE_NAMES


def test_functions_are_short():
    long = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
                length = (node.end_lineno or 0) - body[0].lineno + 1
                if length > MAX_FUNCTION_LINES:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = length
    assert not long


def test_every_module_says_what_it_is_for():
    assert not [path for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]


def test_no_file_names_a_package_registry():
    """Which index packages come from is the user's choice, and no business of this tree."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    if not listing:
        pytest.skip("not a git checkout")
    hosts = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|anaconda\.org|--(extra-)?index-url", re.IGNORECASE
    )
    named = []
    for name in listing.split("\0"):
        path = ROOT / name
        if path.is_file() and path != Path(__file__) and hosts.search(path.read_text(errors="ignore")):
            named.append(name)
    assert not named
