import { describe, expect, it } from "vitest";
import type { MethodEstimates, TaskMetrics } from "../../../src/evaluate/metricsFile.js";
import { renderTask } from "../../../src/report/table.js";

const estimate = (value: number, low: number, high: number) => ({ value, ci95: [low, high] as const });
const results: MethodEstimates = {
  cmcr: { "R@1": estimate(0.272, 0.25, 0.294), "R@5": estimate(0.597, 0.57, 0.62), "R@10": estimate(0.7, 0.68, 0.72), mAP: estimate(0.419, 0.4, 0.438), medianRank: estimate(4, 3.5, 4) },
  "pivot-two-sided": { "R@1": estimate(0.252, 0.23, 0.27), "R@5": estimate(0.6, 0.58, 0.62), "R@10": estimate(0.7, 0.68, 0.72), mAP: estimate(0.389, 0.37, 0.41), medianRank: estimate(5, 4, 5) },
  chance: { "R@1": estimate(0.001, 0.001, 0.001), "R@5": estimate(0.005, 0.005, 0.005), "R@10": estimate(0.01, 0.01, 0.01), mAP: estimate(0.007, 0.007, 0.007), medianRank: estimate(500.5, 500.5, 500.5) },
};
const task: TaskMetrics = {
  name: "sound-image",
  task: "retrieval",
  queries: 1000,
  gallery: 990,
  leftOut: { queries: 10, gallery: 0 },
  results,
  reverse: results,
  differences: { results: {} },
  notes: ["cmcr is 0.030 mAP above pivot-two-sided, the best other method (95 % interval 0.011 to 0.049)."],
};
const plain = (width: number, of = task) => renderTask(of, { width, color: false });
const withoutColor = (text: string) => text.replace(/\u001b\[\d+m/g, "");

describe("the table", () => {
  it("shows intervals in brackets where there is room", () => {
    expect(plain(140)).toMatchInlineSnapshot(`
      "sound-image: retrieval, 1000 queries (10 without a relevant item), 990 gallery items.

      query to gallery
      method                            R@1                    R@5                   R@10                    mAP             medianRank
      ----------------------------------------------------------------------------------------------------------------------------------
      cmcr             0.272 [0.250, 0.294]*  0.597 [0.570, 0.620]   0.700 [0.680, 0.720]*  0.419 [0.400, 0.438]*            4 [3.5, 4]*
      pivot-two-sided  0.252 [0.230, 0.270]   0.600 [0.580, 0.620]*  0.700 [0.680, 0.720]*  0.389 [0.370, 0.410]               5 [4, 5]
      chance           0.001 [0.001, 0.001]   0.005 [0.005, 0.005]   0.010 [0.010, 0.010]   0.007 [0.007, 0.007]   500.5 [500.5, 500.5]
      *: best value. Brackets: 95 % interval.

      gallery to query
      method                            R@1                    R@5                   R@10                    mAP             medianRank
      ----------------------------------------------------------------------------------------------------------------------------------
      cmcr             0.272 [0.250, 0.294]*  0.597 [0.570, 0.620]   0.700 [0.680, 0.720]*  0.419 [0.400, 0.438]*            4 [3.5, 4]*
      pivot-two-sided  0.252 [0.230, 0.270]   0.600 [0.580, 0.620]*  0.700 [0.680, 0.720]*  0.389 [0.370, 0.410]               5 [4, 5]
      chance           0.001 [0.001, 0.001]   0.005 [0.005, 0.005]   0.010 [0.010, 0.010]   0.007 [0.007, 0.007]   500.5 [500.5, 500.5]
      *: best value. Brackets: 95 % interval.

      - cmcr is 0.030 mAP above pivot-two-sided, the best other method (95 % interval 0.011 to 0.049)."
    `);
  });

  it("shows half-widths, then fewer columns, on a terminal of 80", () => {
    expect(plain(80)).toMatchInlineSnapshot(`
      "sound-image: retrieval, 1000 queries (10 without a relevant item), 990 gallery items.

      query to gallery
      method                   R@1           R@5          R@10           mAP
      -----------------------------------------------------------------------
      cmcr             0.272 ±.022*  0.597 ±.025   0.700 ±.020*  0.419 ±.019*
      pivot-two-sided  0.252 ±.020   0.600 ±.020*  0.700 ±.020*  0.389 ±.020
      chance           0.001 ±.000   0.005 ±.000   0.010 ±.000   0.007 ±.000
      *: best value. ±: half the width of the 95 % interval. The terminal is too
      narrow for medianRank: in metrics.json.

      gallery to query
      method                   R@1           R@5          R@10           mAP
      -----------------------------------------------------------------------
      cmcr             0.272 ±.022*  0.597 ±.025   0.700 ±.020*  0.419 ±.019*
      pivot-two-sided  0.252 ±.020   0.600 ±.020*  0.700 ±.020*  0.389 ±.020
      chance           0.001 ±.000   0.005 ±.000   0.010 ±.000   0.007 ±.000
      *: best value. ±: half the width of the 95 % interval. The terminal is too
      narrow for medianRank: in metrics.json.

      - cmcr is 0.030 mAP above pivot-two-sided, the best other method (95 % interval
        0.011 to 0.049)."
    `);
  });

  it("shows the spread over seeds, with intervals where there is room, and never a half-width beside it", () => {
    const seeded = { "R@1": { ...estimate(0.272, 0.25, 0.294), std: 0.012, seeds: [0.26, 0.272, 0.284] }, medianRank: { ...estimate(4.3, 3.5, 5), std: 0.6, seeds: [4, 4, 5] } };
    const of: TaskMetrics = { ...task, results: { cmcr: seeded, pivot: { "R@1": estimate(0.25, 0.23, 0.27), medianRank: estimate(5, 4, 5) } }, notes: [] };
    const { reverse: _reverse, ...oneWay } = of;
    expect(plain(100, oneWay)).toMatchInlineSnapshot(`
      "sound-image: retrieval, 1000 queries (10 without a relevant item), 990 gallery items.

      method                         R@1          medianRank
      -------------------------------------------------------
      cmcr    0.272 ±.012 [0.250, 0.294]*  4.3 ±0.6 [3.5, 5]*
      pivot         0.250 [0.230, 0.270]            5 [4, 5]
      *: best value. ±: standard deviation over 3 seeds. Brackets: 95 % interval."
    `);
    expect(plain(50, oneWay)).toMatchInlineSnapshot(`
      "sound-image: retrieval, 1000 queries (10 without a relevant item), 990 gallery items.

      method          R@1   medianRank
      ---------------------------------
      cmcr    0.272 ±.012*    4.3 ±0.6*
      pivot         0.250            5
      *: best value. ±: standard deviation over 3 seeds.
      95 % intervals: in metrics.json."
    `);
  });

  it("shows values alone when it is narrow", () => {
    expect(plain(40)).toMatchInlineSnapshot(`
      "sound-image: retrieval, 1000 queries (10 without a relevant item), 990 gallery items.

      query to gallery
      method             R@1     R@5    R@10
      ---------------------------------------
      cmcr             0.272*  0.597   0.700*
      pivot-two-sided  0.252   0.600*  0.700*
      chance           0.001   0.005   0.010
      *: best value. 95 % intervals: in
      metrics.json. The terminal is too narrow
      for mAP, medianRank: in metrics.json.

      gallery to query
      method             R@1     R@5    R@10
      ---------------------------------------
      cmcr             0.272*  0.597   0.700*
      pivot-two-sided  0.252   0.600*  0.700*
      chance           0.001   0.005   0.010
      *: best value. 95 % intervals: in
      metrics.json. The terminal is too narrow
      for mAP, medianRank: in metrics.json.

      - cmcr is 0.030 mAP above
        pivot-two-sided, the best other method
        (95 % interval 0.011 to 0.049)."
    `);
  });

  it.each([200, 120, 100, 90, 80, 70, 60, 50, 40])("keeps within %i characters", (width) => {
    for (const color of [false, true]) {
      const [caption = "", ...lines] = withoutColor(renderTask(task, { width, color })).split("\n");
      expect(caption).toContain("1000 queries (10 without a relevant item), 990 gallery items");
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    }
  });

  it("says the same with colour as without", () => {
    const colored = renderTask(task, { width: 100, color: true });
    expect(colored).not.toBe(plain(100));
    expect(withoutColor(colored)).toBe(plain(100));
    expect(colored).toContain("\u001b[32m");
  });

  it("marks every best value, the lowest rank among them, and none where there is one method", () => {
    const lines = plain(200).split("\n");
    expect(lines.find((line) => line.startsWith("cmcr"))?.match(/\*/g)).toHaveLength(4);
    expect(lines.find((line) => line.startsWith("pivot"))?.match(/\*/g)).toHaveLength(2);
    const alone = plain(200, { ...task, results: { cmcr: results.cmcr ?? {} }, reverse: undefined as never });
    expect(alone.split("\n").find((line) => line.startsWith("cmcr"))).not.toContain("*");
  });

  it("marks none where all methods are equally good", () => {
    const same = { cmcr: { "R@1": estimate(1, 1, 1), mAP: estimate(0.5, 0.4, 0.6) }, chance: { "R@1": estimate(1, 1, 1), mAP: estimate(0.4, 0.3, 0.5) } };
    const lines = plain(200, { ...task, results: same, reverse: undefined as never }).split("\n");
    expect(lines.find((line) => line.startsWith("cmcr"))).toMatch(/1\.000 \[1\.000, 1\.000\] +0\.500 \[0\.400, 0\.600\]\*$/);
    expect(lines.find((line) => line.startsWith("chance"))).not.toContain("*");
  });

  it("shows what rounds to zero without a sign", () => {
    expect(plain(200, { ...task, results: { cmcr: { LocAcc: estimate(-1e-17, -0.0004, 0.2) }, odd: { LocAcc: estimate(-0.001, -0.0006, 0) } }, reverse: undefined as never })).toMatch(/cmcr +0\.000 \[0\.000, 0\.200\]\*\nodd +-0\.001 \[-0\.001, 0\.000\]/);
  });

  it("is one table where there is one direction, with a dash for what was not measured", () => {
    const { reverse, ...oneWay } = task;
    expect(reverse).toBeDefined();
    const text = plain(200, { ...oneWay, results: { ...results, odd: { "R@1": estimate(0.5, 0.4, 0.6) } } });
    expect(text).not.toContain("query to gallery");
    expect(text.split("\n").find((line) => line.startsWith("odd"))).toMatch(/^odd +0\.500 \[0\.400, 0\.600\]\*( +-)+$/);
  });
});
