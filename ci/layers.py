#!/usr/bin/env python3
"""Checks the imports of the Rust files: no file imports a layer above its own, and no files import each other.

src/lua/edge/call.rs belongs to the layer lua::edge. A mod.rs may import the files of its folder. These files must not
import the mod.rs.
"""

import graphlib
import pathlib
import re
import sys

# The lowest layer comes first.
LAYERS = """
content_length date json_error phase error fault body host response
lua::edge lua::json lua::functions lua::nginx lua::ffi lua::bind
""".split()

ROOTS = {"crate": pathlib.Path("src"), "testing": pathlib.Path("testing/src")}


def module_of(root, file):
    """The path of a file's module, for example ("crate", "lua", "edge")."""
    parts = file.relative_to(ROOTS[root]).with_suffix("").parts
    return (root, *(part for part in parts if part not in ("mod", "lib")))


def expand(tree):
    """The paths of an import, for example of `a::{b, c::{d, e}}`."""
    head, brace, rest = tree.partition("{")
    if not brace:
        yield tree.split(" as ")[0].strip()
        return
    # Commas between the outer braces separate the branches.
    depth, branch = 0, ""
    for character in rest.rstrip()[:-1] + ",":
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            if branch.strip():
                yield from expand(head + branch.strip())
            branch = ""
        else:
            branch += character


def resolve(path, module, modules):
    """The module that a path in `module` names, or None if it is one of another crate."""
    first, *rest = path.split("::")
    if first == "kong_response":
        found = ("crate",)
    elif first == "crate":
        found = module[:1]
    elif first == "super":
        found = module[:-1]
        while rest and rest[0] == "super":
            found, rest = found[:-1], rest[1:]
    elif (*module, first) in modules:
        found, rest = module, [first, *rest]
    else:
        return None
    for name in rest:
        if (*found, name) not in modules:
            break
        found = (*found, name)
    return found


def imports(module, file, modules):
    # The tests of a file may use anything.
    code = file.read_text().split("#[cfg(test)]\nmod tests")[0]
    code = re.sub(r"//[^\n]*", "", code)
    trees = re.findall(r"\buse ([^;]+);", code)
    trees += re.findall(r"\b(?:crate|super|kong_response)(?:::\w+)+", code)
    found = {resolve(path, module, modules) for tree in trees for path in expand(tree)}
    return {other for other in found if other in modules and other != module}


def rank(module):
    """The place of a module's layer in the list, or None."""
    path = "::".join(module[1:]) + "::"
    places = [place for place, layer in enumerate(LAYERS) if path.startswith(layer + "::")]
    return places[-1] if module[0] == "crate" and places else None


def main():
    files = ((root, file) for root, folder in ROOTS.items() for file in sorted(folder.rglob("*.rs")))
    modules = {module_of(root, file): file for root, file in files if file.name != "tests.rs"}
    graph = {module: imports(module, file, modules) for module, file in modules.items()}
    wrong = [
        f"{modules[module]}: {'::'.join(other)} is above it"
        for module, others in graph.items()
        for other in sorted(others)
        if rank(module) is not None and rank(other) is not None and rank(other) > rank(module)
    ]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        wrong.append("a circle: " + " -> ".join(str(modules[module]) for module in reversed(error.args[1])))
    sys.exit("\n".join(wrong) or None)


main()
