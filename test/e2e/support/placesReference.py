"""Maps, cIoU and the metrics of places with whole arrays of NumPy, PyTorch's interpolation and scikit-learn's area.

Reads a case as JSON from the standard input, writes what comes out as JSON. Nothing here is
shared with what it is held against.
"""

import json
import sys

import numpy as np
import torch
from sklearn.metrics import auc


def mask_of(box: list[float], side: int, guard: float) -> np.ndarray:
    left, top, right, bottom = (np.floor(np.clip(np.array(box), 0, 1) * side + guard)).astype(int)
    mask = np.zeros((side, side), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def truth_of(boxes: list[list[float]], side: int, consensus: int) -> np.ndarray:
    covered = np.zeros((side, side))
    for box in boxes:
        covered[mask_of(box, side, 0)] += 1
    return np.minimum(covered / consensus, 1)


def map_of(case: dict, regions: list[list[float]], scores: np.ndarray) -> np.ndarray:
    settings, side = case["settings"], case["settings"]["resolution"]
    if case["grid"] is not None:
        grid = torch.from_numpy(scores.reshape(case["grid"]["rows"], case["grid"]["columns"]))[None, None]
        mode = settings["interpolation"]
        align = None if mode == "nearest" else settings["alignCorners"]
        return torch.nn.functional.interpolate(grid, size=(side, side), mode=mode, align_corners=align)[0, 0].numpy()
    masks = np.stack([mask_of(box, side, 1e-6) for box in regions])
    layered = np.where(masks, scores[:, None, None], np.nan)
    covered = masks.any(0)
    picture = np.full((side, side), scores.min())
    reduce = np.nanmean if settings["combine"] == "mean" else np.nanmax
    picture[covered] = reduce(layered[:, covered], axis=0)
    return picture


def measure(case: dict, item: int) -> tuple[float, float]:
    settings, side = case["settings"], case["settings"]["resolution"]
    regions, scores = case["regions"][item], np.array(case["scores"][item], dtype=np.float64)
    if settings["predict"] == "best-region":
        best = int(np.argmax(scores))
        inferred, confidence = mask_of(regions[best], side, 1e-6), float(scores[best])
    else:
        picture = map_of(case, regions, scores)
        flat = np.sort(picture, axis=None)
        threshold = settings["threshold"]
        if threshold is None:
            threshold = flat[int(flat.size * 0.5)]
        elif threshold == "half-maximum":
            threshold = 0.5 * picture.max()
        inferred = picture > threshold if settings["strict"] else picture >= threshold
        confidence = float(flat[-max(1, flat.size // 4) :].mean())
    truth = truth_of(case["boxes"][item], side, settings["consensus"])
    below = truth.sum() + (inferred * (truth == 0)).sum()
    ciou = 0.0 if below == 0 else float((inferred * truth).sum() / below)
    return (float("nan") if len(case["boxes"][item]) == 0 else ciou), confidence


def localization(ciou: np.ndarray) -> dict[str, float]:
    thresholds = [0.05 * step for step in range(21)]
    reached = [float((ciou >= threshold).mean()) for threshold in thresholds]
    return {"cIoU@0.5": float((ciou >= 0.5).mean()), "AUC": float(auc(thresholds, reached)), "meanCIoU": float(ciou.mean())}


def precision_recall(sounds: np.ndarray, ciou: np.ndarray, confidence: np.ndarray, threshold: float) -> tuple[float, float]:
    detected = confidence >= threshold
    placed = np.nan_to_num(ciou, nan=0.0) >= 0.5
    hits = int((detected & sounds & placed).sum())
    alarms = int((detected & ~(sounds & placed)).sum())
    missed = int((~detected & sounds).sum())
    return (1.0 if hits + alarms == 0 else hits / (hits + alarms)), (1.0 if hits + missed == 0 else hits / (hits + missed))


def counterfactual(sounds: np.ndarray, ciou: np.ndarray, confidence: np.ndarray) -> dict[str, float]:
    count, ascending = confidence.size, np.sort(confidence)
    curve = [precision_recall(sounds, ciou, confidence, t) for t in ascending[:-1][:: -max(1, count // 200)]]
    envelope = [max(p for p, _ in curve[i:]) for i in range(len(curve))]
    average = sum(envelope[i] * (curve[i + 1][1] - curve[i][1]) for i in range(len(curve) - 1))
    sweep = [precision_recall(sounds, ciou, confidence, t) for t in ascending[:: max(1, count // 10)]]
    best = max((2 * p * r / (p + r) if p + r > 0 else 0.0) for p, r in sweep)
    return {"AP": float(average), "maxF1": float(best), "LocAcc": float((ciou[sounds] >= 0.5).mean())}


def main() -> None:
    torch.set_num_threads(1)
    answers = []
    for case in json.load(sys.stdin):
        measures = [measure(case, item) for item in range(len(case["boxes"]))]
        ciou, confidence = (np.array(values) for values in zip(*measures, strict=True))
        sounds = np.array([len(boxes) > 0 for boxes in case["boxes"]])
        answers.append(
            {
                "ciou": [None if np.isnan(value) else value for value in ciou],
                "confidence": confidence.tolist(),
                "localization": localization(ciou[sounds]),
                "counterfactual": counterfactual(sounds, ciou, confidence),
            }
        )
    json.dump(answers, sys.stdout)


main()
