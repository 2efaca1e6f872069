"""Metrics of score matrices by scikit-learn and NumPy, whole arrays at a time.

Reads cases as JSON from the standard input, writes what comes out as JSON. Nothing here is
shared with what it is held against. Where scores tie, scikit-learn has rules of its own, so
what it is given is the order that cmcr promises: among equal scores what is right comes last.
"""

import json
import sys

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    label_ranking_average_precision_score,
    recall_score,
    top_k_accuracy_score,
)


def without_ties(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Distinct scores of a row in the same order; among equal ones what is right last, else by column."""
    order = np.lexsort((np.arange(len(scores)), right, -scores))
    distinct = np.empty(len(scores))
    distinct[order] = -np.arange(len(scores), dtype=float)
    return distinct


def retrieval(scores: np.ndarray, relevant: np.ndarray, ks: list[int]) -> dict:
    """Relevant: (queries, gallery), whether."""
    kept = relevant.any(1)
    relevant = relevant[kept]
    distinct = np.stack([without_ties(row, right) for row, right in zip(scores[kept], relevant, strict=True)])
    # Places from 1, of every gallery item in every query's ranking.
    places = (-distinct).argsort(1).argsort(1) + 1
    first = np.where(relevant, places, len(scores[0]) + 1).min(1)
    precision = [average_precision_score(right, row) for right, row in zip(relevant, distinct, strict=True)]
    result = {f"R@{k}": float((first <= k).mean()) for k in ks}
    result |= {
        "mAP": float(np.mean(precision)),
        "MRR": float((1 / first).mean()),
        "medianRank": float(np.median(first)),
    }
    # The same by another of its functions.
    assert abs(label_ranking_average_precision_score(relevant, distinct) - result["mAP"]) < 1e-9
    if (relevant.sum(1) == 1).all() and distinct.shape[1] > 2:
        columns = np.arange(distinct.shape[1])
        for k in (k for k in ks if k < len(columns)):
            accuracy = top_k_accuracy_score(relevant.argmax(1), distinct, k=k, labels=columns)
            assert abs(accuracy - result[f"R@{k}"]) < 1e-9
    return result


def classification(scores: np.ndarray, labels: np.ndarray, ks: list[int]) -> dict:
    """Labels: (items,), the column of each item's class."""
    columns = np.arange(scores.shape[1])
    distinct = np.stack([without_ties(row, columns == own) for row, own in zip(scores, labels, strict=True)])
    places = (-distinct).argsort(1).argsort(1) + 1
    own = places[np.arange(len(labels)), labels]
    predicted = distinct.argmax(1)
    result = {f"top{k}": float((own <= k).mean()) for k in ks}
    if len(columns) > 2:
        for k in (k for k in ks if k < len(columns)):
            result[f"top{k}"] = float(top_k_accuracy_score(labels, distinct, k=k, labels=columns))
    recalls = recall_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)
    result["meanPerClassRecall"] = float(recalls)
    return {"results": result, "confusion": confusion_matrix(labels, predicted, labels=columns).tolist()}


def answer(case: dict) -> dict:
    """What a case of the test comes to."""
    # As precise as the file that cmcr is given.
    scores = np.array(case["scores"], dtype=case["dtype"]).astype(np.float64)
    if case["task"] == "classification":
        return classification(scores, np.array(case["labels"]), case["ks"])
    relevant = np.zeros(scores.shape, dtype=bool)
    for query, columns in enumerate(case["relevance"]):
        relevant[query, columns] = True
    return {
        "results": retrieval(scores, relevant, case["ks"]),
        "reverse": retrieval(scores.T, relevant.T, case["ks"]),
    }


if __name__ == "__main__":
    json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
