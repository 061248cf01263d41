"The repository around the pages."
import json, re, subprocess, sys
from configparser import ConfigParser
from importlib.metadata import entry_points
from pathlib import Path
import pytest
sys.path.insert(0, str(Path(__file__).parent))
from common import module_of, pages, root

records = sorted((root / "nbs" / "results").rglob("record*.json"))
tracked = lambda: subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def test_versions_agree():
    "settings.ini, the package and the citation name one version."
    ini = ConfigParser(delimiters=["="]); ini.read(root / "settings.ini"); v = ini["DEFAULT"]["version"]
    assert f'__version__ = "{v}"' in (root / "vsa_nb/__init__.py").read_text() and f"version: {v}\n" in (root / "CITATION.cff").read_text()


def test_readme():
    "README.md is the rendered index."
    done = subprocess.run([sys.executable, "tests/readme.py", "--check"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_heavy_or_foreign():
    "No data, weights or large files are tracked."
    for f in map(root.joinpath, tracked()):
        if f.is_file(): assert f.stat().st_size < (10_000_000 if f.parent.name == "models" else 1_500_000) and f.suffix not in (".npz", ".npy", ".pt", ".pth", ".pkl", ".mat", ".jpg", ".jpeg", ".zip"), f.name


@pytest.mark.parametrize("module", [module_of(p) for p in pages if module_of(p)])
def test_import_without_jupyter(module):
    "The library needs neither nbdev nor Jupyter."
    block = "import sys\nclass Block:\n def find_spec(self, name, path=None, target=None):\n  if name.split('.')[0] in ('nbdev', 'IPython', 'ipykernel', 'jupyterlab', 'ipywidgets', 'notebook'): raise ImportError(name)\nsys.meta_path.insert(0, Block())\n"
    done = subprocess.run([sys.executable, "-c", f"{block}import vsa_nb.{module}"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]


def test_aliases():
    "The underscore commands of nbdev exist."
    assert {"nbdev_test", "nbdev_export", "nbdev_clean"} <= {e.name for e in entry_points(group="console_scripts")}


def test_old_python_is_told(tmp_path):
    "make explains itself when Python is too old."
    old = tmp_path / "python3.9"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys, collections; sys.version_info = collections.namedtuple(\'v\', \'major minor micro\')(3, 9, 0); exec(sys.argv[1])" "$2"\n'); old.chmod(0o755)
    done = subprocess.run(["make", "demo", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"], cwd=root, capture_output=True, text=True)
    assert done.returncode != 0 and "needs Python 3.11 or newer" in done.stderr and not (tmp_path / "venv").exists(), done.stderr


@pytest.mark.parametrize("path", records, ids=lambda p: p.stem)
def test_records(path):
    "A record says what, how, on what, by which code, where and how long; its sentences lie beside it."
    r = json.loads(path.read_text())
    assert {"name", "metrics", "config", "seed", "commit", "data", "device", "versions", "seconds"} <= set(r) and r["commit"] and not r["dirty"]
    assert not re.search(r'"/(work|root|home|tmp)/', path.read_text())
    if (s := path.with_name(path.name.replace("record-", "sentences-"))).exists():
        d = json.loads(s.read_text()); assert set(d["checkpoints"]) == set(r.get("checkpoints", {"0": 0})) and all(len(c) == len(d["images"]) for c in d["checkpoints"].values())
