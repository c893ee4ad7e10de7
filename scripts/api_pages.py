"""The Python API as pages, one for each package: read from the source, so that nothing is imported."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

WARNING = "<!-- Written by `make docs-reference` from the docstrings; changes belong there. -->"
SECTIONS = ("Args", "Attributes", "Returns", "Raises", "Yields")


@dataclass
class Definition:
    """A public name: where it is defined, and the syntax tree of its class or function."""

    name: str
    module: str
    node: ast.AST


def python_pages(source: Path) -> dict[str, str]:
    """A page for each package below `source` that exports names, and an index of them."""
    pages = {}
    index = ["# Reference", "", WARNING, ""]
    index += ["- [Command line](command-line.md)", "- [Configuration keys](configuration.md)"]
    for init in modules(source):
        package = dotted(source, init)
        definitions = [found for name in exported(init) if (found := locate(source, init, name))]
        definitions += [found for name, file in lazy(source, init) if (found := locate(source, file, name))]
        if not definitions:
            continue
        name = f"{package}.md"
        pages[name] = package_page(package, init, definitions)
        index.append(f"- [`{package}`]({name}): {summary(init)}")
    pages["README.md"] = "\n".join(index) + "\n"
    return pages


def modules(source: Path) -> list[Path]:
    """All packages; the modules that one exports as a whole; the modules of base, which are used by name."""
    found = []
    for init in sorted(source.rglob("__init__.py")):
        whole = (init.with_name(f"{name}.py") for name in exported(init) if not locate(source, init, name))
        found += [init, *(file for file in whole if file.exists())]
        if init.parent.name == "base":
            found += sorted(file for file in init.parent.glob("[a-z]*.py") if file.name != "errors.py")
    return found


def dotted(source: Path, file: Path) -> str:
    """A file's dotted name."""
    parts = file.with_suffix("").relative_to(source.parent).parts
    return ".".join(part for part in parts if part != "__init__")


def exported(init: Path) -> list[str]:
    """The names that are written out in a package's `__all__`, dunders left aside; all of a module's."""
    body = ast.parse(init.read_text(encoding="utf-8")).body
    if init.name != "__init__.py":
        names = [node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        return [name for name in names if not name.startswith("_")]
    for node in body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            texts = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
            return [str(text) for text in texts if not str(text).startswith("_")]
    return []


def lazy(source: Path, init: Path) -> list[tuple[str, Path]]:
    """The names that a package loads on first use (its `_PUBLIC`), with the file of their definition."""
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_PUBLIC" and node.value:
            targets = {name: where.split(":") for name, where in ast.literal_eval(node.value).items()}
            return [(defined, module_file(source, module)) for module, defined in targets.values()]
    return []


def locate(source: Path, module: Path, name: str) -> Definition | None:
    """Follow `from x import name` down to the class, function or assignment that defines it."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Definition(name, dotted(source, module), node)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("adiabat"):
            for alias in node.names:
                if (alias.asname or alias.name) == name and module_file(source, node.module) != module:
                    return locate(source, module_file(source, node.module), alias.name)
    return None


def module_file(source: Path, module: str) -> Path:
    """The file of a dotted module name."""
    path = source.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def summary(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def package_page(package: str, init: Path, definitions: list[Definition]) -> str:
    """Heading, the package's own docstring, then every name."""
    text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    parts = [f"# `{package}`", WARNING, text]
    for found in definitions:
        assert isinstance(found.node, ast.ClassDef | ast.FunctionDef)
        parts += entry(found.node, f"`{found.name}`", found.module)
    return "\n\n".join(parts).rstrip() + "\n"


def entry(node: ast.ClassDef | ast.FunctionDef, title: str, module: str) -> list[str]:
    """One class with its public methods, or one function."""
    parts = [f"## {title}", "```python\n" + signature(node) + "\n```", f"Defined in `{module}`."]
    parts += [markdown(ast.get_docstring(node) or "")]
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if not isinstance(method, ast.FunctionDef) or method.name.startswith("_"):
                continue
            if documentation := ast.get_docstring(method):
                parts += [f"### {title[:-1]}.{method.name}`", "```python\n" + signature(method) + "\n```"]
                parts += [markdown(documentation)]
    return parts


def signature(node: ast.ClassDef | ast.FunctionDef) -> str:
    """How it is called, wrapped one argument a line where it is long."""
    if isinstance(node, ast.FunctionDef):
        decorators = [f"@{ast.unparse(d)}\n" for d in node.decorator_list if shown(ast.unparse(d))]
        result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return "".join(decorators) + call(f"def {node.name}", node.args) + result
    bases = f"({', '.join(ast.unparse(base) for base in node.bases)})" if node.bases else ""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return f"class {node.name}{bases}\n" + call(node.name, item.args)
    fields = [ast.unparse(item) for item in node.body if isinstance(item, ast.AnnAssign)]
    return "\n    ".join([f"class {node.name}{bases}:" if fields else f"class {node.name}{bases}", *fields])


def shown(decorator: str) -> bool:
    return decorator in {"property", "classmethod", "staticmethod", "contextmanager"}


def call(name: str, arguments: ast.arguments) -> str:
    """`name(arguments)` without self or cls."""
    text = ast.unparse(arguments)
    text = re.sub(r"^(self|cls)(, )?", "", text)
    if len(name) + len(text) < 100:
        return f"{name}({text})"
    tree = ast.parse(f"def f({ast.unparse(arguments)}): pass").body[0]
    assert isinstance(tree, ast.FunctionDef)
    return f"{name}(\n    " + ",\n    ".join(pieces(tree.args)) + ",\n)"


def pieces(arguments: ast.arguments) -> list[str]:
    """Each argument with annotation and default, in order."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    found = [one(a, d) for a, d in zip(positional, defaults, strict=True) if a.arg not in {"self", "cls"}]
    if arguments.vararg:
        found.append(f"*{ast.unparse(arguments.vararg)}")
    elif arguments.kwonlyargs:
        found.append("*")
    found += [one(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return found + ([f"**{ast.unparse(arguments.kwarg)}"] if arguments.kwarg else [])


def one(argument: ast.arg, default: ast.expr | None) -> str:
    """`name: annotation = default`."""
    text = ast.unparse(argument)
    return text if default is None else f"{text} = {ast.unparse(default)}"


def markdown(docstring: str) -> str:
    """A Google docstring as CommonMark: its sections become bold words and lists."""
    lines, inside = [], False
    for line in docstring.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            inside = True
            lines += [f"**{line}**", ""]
        elif inside and line.startswith("    ") and not line.startswith("     "):
            name, colon, rest = line.strip().partition(": ")
            plain = re.fullmatch(r"[\w*, .]+", name)
            lines.append(f"- `{name}`: {rest}" if colon and plain else f"- {line.strip()}")
        elif inside and line.strip():
            lines.append("  " + line.strip())
        else:
            inside = inside and not line.strip()
            lines.append(line)
    return "\n".join(lines)
