"""compile.py PACKAGES OUT: the PTX of the Triton kernels of kernels.json, as their packages ship them.

The packages import torch, which no kernel needs to be compiled: stubs stand in for it, and each source file is loaded by itself.
Nothing of theirs is changed; what the autotuner would try is one configuration here, which changes no formula.
"""
import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from unittest.mock import MagicMock

packages, out = sys.argv[1:3]
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, packages)


class Stub(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = MagicMock(name=f"{self.__name__}.{name}")
        setattr(self, name, value)
        return value


class Finder:
    """Every module of these packages is a stub."""

    roots = ("torch", "torchao", "fbgemm_gpu", "packaging", "numpy")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.roots:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = Stub(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Finder())
import torch.cuda  # noqa: E402
import torch.version  # noqa: E402
import torchao.utils  # noqa: E402
import triton  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

torch.version.hip, torch.version.cuda = None, "13.0"
torch.cuda.get_device_capability = lambda *a: (9, 0)
torch.cuda.is_available = lambda: True
torchao.utils.is_ROCM = lambda: False
triton.autotune = lambda *a, **k: lambda f: f
triton.heuristics = lambda *a, **k: lambda f: f


def source(path, loaded={}):
    if path not in loaded:
        spec = importlib.util.spec_from_file_location(f"upstream{len(loaded)}", os.path.join(packages, path))
        loaded[path] = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded[path]
        spec.loader.exec_module(loaded[path])
    return loaded[path]


def constant(value):
    return getattr(triton.language, value[3:]) if isinstance(value, str) and value.startswith("tl.") else value


os.makedirs(out, exist_ok=True)
failed = 0
for k in json.load(open(os.path.join(here, "kernels.json")))["kernels"]:
    if "triton" not in k:
        continue
    t = k["triton"]
    if os.path.exists(os.path.join(out, k["name"] + ".shared")):
        continue
    try:
        fn = source(t["file"])
        for part in t["function"].split("."):  # "build().name": what a function returns
            fn = getattr(fn, part[:-2])() if part.endswith("()") else getattr(fn, part)
        const = {n: constant(v) for n, v in t["constexpr"].items()}
        unknown = [n for n in [*const, *t["types"]] if n not in fn.arg_names]
        assert not unknown, f"no parameter {unknown}: {fn.arg_names}"
        signature = {n: "constexpr" if n in const else t["types"].get(n, "i32") for n in fn.arg_names}
        built = triton.compile(
            ASTSource(fn=fn, signature=signature, constexprs=const),
            target=GPUTarget("cuda", k.get("sm", 90), 32),
            options={"num_warps": t["warps"]},
        )
        with open(os.path.join(out, k["name"] + ".ptx"), "w") as f:
            f.write(built.asm["ptx"])
        with open(os.path.join(out, k["name"] + ".shared"), "w") as f:  # dynamic shared memory of a block
            f.write(str(built.metadata.shared))
    except Exception as error:  # one kernel is one line; the others go on
        failed += 1
        print(f"{k['name']}: {type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
sys.exit(1 if failed else 0)
