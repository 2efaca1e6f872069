"""Memory attention against a plain matrix product of the same size, interleaved in one run.

Prints one JSON object. Attention makes two products of that size, n x m x d, so `ratio` is the
rate of its floating-point operations in the products over the plain product's rate; the
exponentials and the running maximum count as nothing but lost time.

    python bench/attention_vs_matmul.py --queries 4096 --memory 100000 --dim 512
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.nn.functional as F
from torch import Tensor

from cmcr_worker.connectors.attention import attend
from cmcr_worker.tensors.precision import matmul_precision


def naive(queries: Tensor, memory: Tensor, temperature: float) -> Tensor:
    """The whole softmax at once in float64."""
    weights = torch.softmax(queries.double() @ memory.double().t() / temperature, dim=1)
    return F.normalize(weights @ memory.double(), dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=4096)
    parser.add_argument("--memory", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--temperature", type=float, default=0.01)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--checked", type=int, default=64, help="queries compared with the naive result")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tf32", action="store_true", help="TF32 for both, on CUDA")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry; JSON is all it prints")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    generator = torch.Generator().manual_seed(0)
    queries = F.normalize(torch.randn(options.queries, options.dim, generator=generator), dim=1).to(device)
    memory = F.normalize(torch.randn(options.memory, options.dim, generator=generator), dim=1).to(device)
    scores = torch.empty(options.queries, options.memory, device=device)
    out = torch.empty(options.queries, options.dim)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def product() -> None:
        with matmul_precision(device, allow_tf32=options.tf32):
            torch.mm(queries, memory.t(), out=scores)

    def attention() -> None:
        attend(queries, memory, options.temperature, out, device=device, allow_tf32=options.tf32)

    def timed(work: object) -> float:
        assert callable(work)
        wait()
        began = time.perf_counter()
        work()
        wait()
        return time.perf_counter() - began

    # Touches the pages of the result and starts the libraries.
    product()
    attend(queries[:256], memory[:2048], options.temperature, out[:256], device=device)
    product_seconds: list[float] = []
    attention_seconds: list[float] = []
    ratios: list[float] = []
    for _ in range(options.repeats):
        before = timed(product)
        attention_seconds.append(timed(attention))
        after = timed(product)
        product_seconds += [before, after]
        # A shared machine's speed drifts: each attention is compared with the products around it.
        ratios.append(2.0 * (before + after) / 2.0 / attention_seconds[-1])
    picked = torch.arange(0, options.queries, max(1, options.queries // options.checked))
    expected = naive(queries[picked.to(device)], memory, options.temperature).cpu()
    product_median = statistics.median(product_seconds)
    attention_median = statistics.median(attention_seconds)
    flops = 2.0 * options.queries * options.memory * options.dim
    print(
        json.dumps(
            {
                "benchmark": "attention-vs-matmul",
                "device": options.device,
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "queries": options.queries,
                "memory": options.memory,
                "dim": options.dim,
                "temperature": options.temperature,
                "productSeconds": round(product_median, 4),
                "attentionSeconds": round(attention_median, 4),
                "productGflops": round(flops / product_median / 1e9, 1),
                "attentionGflops": round(2 * flops / attention_median / 1e9, 1),
                "ratio": round(statistics.median(ratios), 4),
                "ratios": [round(ratio, 4) for ratio in ratios],
                "maxDifference": float((out[picked] - expected).abs().max()),
            }
        )
    )


if __name__ == "__main__":
    main()
