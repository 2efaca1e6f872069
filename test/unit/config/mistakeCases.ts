import { DIGITS } from "./samples.js";

/** One change of one place of `DIGITS`, and the message that it leads to. */
export interface Case {
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly path: string;
  readonly message: string;
}

/** A case for each class of wrong input. */
export const CASES: readonly Case[] = [
  {
    what: "an unknown field",
    from: "intra:   { weight: 0.1 }",
    to: "intra:   { wieght: 0.1 }",
    reason: "UNKNOWN_FIELD",
    path: "connect.loss.intra.wieght",
    message: 'digits.yaml:28:16 connect.loss.intra.wieght: expected one of the fields weight, found "wieght". Did you mean "weight"?',
  },
  {
    what: "an unknown field at the root",
    from: "evaluate:",
    to: "evaluation:",
    reason: "UNKNOWN_FIELD",
    path: "evaluation",
    message:
      'digits.yaml:32:1 evaluation: expected one of the fields version, name, seed, worker, spaces, data, connect, evaluate, found "evaluation". Did you mean "evaluate"?',
  },
  {
    what: "an unknown field of a schedule",
    from: "from: 1e-3, to: 0 }",
    to: "from: 1e-3, to: 0, warmup: 0.1 }",
    reason: "UNKNOWN_FIELD",
    path: "connect.optimizer.lr.warmup",
    message: 'digits.yaml:29:72 connect.optimizer.lr.warmup: expected one of the fields schedule, from, to, found "warmup". Known: schedule, from, to.',
  },
  {
    what: "a missing field",
    from: "  overlap: captions\n",
    to: "",
    reason: "MISSING_FIELD",
    path: "connect.overlap",
    message: "digits.yaml:16:1 connect.overlap: expected a name, found nothing",
  },
  {
    what: "a missing memory",
    from: "{ space: clap, memory: sounds }",
    to: "{ space: clap }",
    reason: "MISSING_FIELD",
    path: "connect.sides.1.memory",
    message: "digits.yaml:21:7 connect.sides.1.memory: expected a name, found nothing",
  },
  {
    what: "text for a number",
    from: "batchSize: 512",
    to: 'batchSize: "512"',
    reason: "WRONG_TYPE",
    path: "connect.batchSize",
    message: 'digits.yaml:30:14 connect.batchSize: expected a whole number of at least 2, found "512"',
  },
  {
    what: "a list for a map",
    from: "{ weight: 1, temperature: 0.01 }\n    pseudo",
    to: "[1, 0.01]\n    pseudo",
    reason: "WRONG_TYPE",
    path: "connect.loss.overlap",
    message: "digits.yaml:26:14 connect.loss.overlap: expected false or a map, found a list of 2 items",
  },
  {
    what: "an empty value",
    from: "epochs: 36",
    to: "epochs:",
    reason: "WRONG_TYPE",
    path: "connect.epochs",
    message: "digits.yaml:31:3 connect.epochs: expected a whole number of at least 1, found nothing",
  },
  {
    what: "a fraction for a count",
    from: "epochs: 36",
    to: "epochs: 3.5",
    reason: "WRONG_TYPE",
    path: "connect.epochs",
    message: "digits.yaml:31:11 connect.epochs: expected a whole number of at least 1, found 3.5",
  },
  {
    what: "a batch of one",
    from: "batchSize: 512",
    to: "batchSize: 1",
    reason: "IMPOSSIBLE_VALUE",
    path: "connect.batchSize",
    message: "digits.yaml:30:14 connect.batchSize: expected a whole number of at least 2, found 1",
  },
  {
    what: "a temperature of 0",
    from: "consistency: { temperature: 0.01 }",
    to: "consistency: { temperature: 0 }",
    reason: "IMPOSSIBLE_VALUE",
    path: "connect.consistency.temperature",
    message: "digits.yaml:22:31 connect.consistency.temperature: expected a number above 0, found 0",
  },
  {
    what: "a negative variance",
    from: "variance: 0.004",
    to: "variance: -0.004",
    reason: "IMPOSSIBLE_VALUE",
    path: "connect.completion.variance",
    message: "digits.yaml:23:27 connect.completion.variance: expected a number of at least 0, found -0.004",
  },
  {
    what: "a number that is none",
    from: "variance: 0.004",
    to: "variance: .nan",
    reason: "IMPOSSIBLE_VALUE",
    path: "connect.completion.variance",
    message: "digits.yaml:23:27 connect.completion.variance: expected a number of at least 0 or a schedule, found NaN",
  },
  {
    what: "a schedule where none applies",
    from: "consistency: { temperature: 0.01 }",
    to: "consistency: { temperature: { schedule: linear, from: 0.1, to: 0.01 } }",
    reason: "WRONG_TYPE",
    path: "connect.consistency.temperature",
    message: "digits.yaml:22:31 connect.consistency.temperature: expected a number above 0, found a schedule. This field cannot change over time.",
  },
  {
    what: "an unknown schedule",
    from: "schedule: cosine",
    to: "schedule: cosin",
    reason: "UNKNOWN_NAME",
    path: "connect.optimizer.lr.schedule",
    message:
      'digits.yaml:29:45 connect.optimizer.lr.schedule: expected one of constant, linear, cosine, step, warmup-cosine, found "cosin". Did you mean "cosine"?',
  },
  {
    what: "a warm-up of a temperature, which would start from 0",
    from: "pseudo:  { weight: 1, temperature: 0.01 }",
    to: "pseudo:  { weight: 1, temperature: { schedule: warmup-cosine, from: 1, to: 0.1 } }",
    reason: "UNKNOWN_NAME",
    path: "connect.loss.pseudo.temperature.schedule",
    message:
      'digits.yaml:27:52 connect.loss.pseudo.temperature.schedule: expected one of constant, linear, cosine, step, found "warmup-cosine". Known: constant, linear, cosine, step.',
  },
  {
    what: "an unknown provider",
    from: "clip: { provider: precomputed }",
    to: "clip: { provider: precomputd }",
    reason: "UNKNOWN_NAME",
    path: "spaces.clip.provider",
    message: 'digits.yaml:6:21 spaces.clip.provider: expected one of precomputed, builtin, found "precomputd". Did you mean "precomputed"?',
  },
  {
    what: "an unknown method",
    from: "method: cmcr",
    to: "method: c-mcr",
    reason: "UNKNOWN_NAME",
    path: "connect.method",
    message: 'digits.yaml:17:11 connect.method: expected cmcr, found "c-mcr". Did you mean "cmcr"?',
  },
  {
    what: "an unknown task",
    from: "task: retrieval",
    to: "task: retreival",
    reason: "UNKNOWN_NAME",
    path: "evaluate.0.task",
    message: 'digits.yaml:34:11 evaluate.0.task: expected one of retrieval, classification, found "retreival". Did you mean "retrieval"?',
  },
  {
    what: "an unknown preset",
    from: "preset: audio-visual",
    to: "preset: audiovisual",
    reason: "UNKNOWN_NAME",
    path: "connect.projector.preset",
    message: 'digits.yaml:24:24 connect.projector.preset: expected one of audio-visual, three-d, layers, found "audiovisual". Did you mean "audio-visual"?',
  },
  {
    what: "an unknown baseline",
    from: "procrustes, ridge]",
    to: "procrust, ridge]",
    reason: "UNKNOWN_NAME",
    path: "evaluate.0.baselines.4",
    message:
      "digits.yaml:39:61 evaluate.0.baselines.4: expected one of chance, pivot, pivot+gap, pivot-soft, pivot-soft+gap, pivot-two-sided, pivot-two-sided+gap, procrustes, procrustes+gap, ridge, ridge+gap, relative, relative+gap, cca, cca+gap, memory-ridge, memory-ridge+gap or a map, " +
      'found "procrust". Did you mean "procrustes"?',
  },
  {
    what: "an unknown space of a side",
    from: "{ space: clap, memory: sounds }",
    to: "{ space: clapp, memory: sounds }",
    reason: "UNKNOWN_NAME",
    path: "connect.sides.1.space",
    message: 'digits.yaml:21:16 connect.sides.1.space: expected the name of a space under spaces, found "clapp". Did you mean "clap"?',
  },
  {
    what: "an unknown collection",
    from: "overlap: captions",
    to: "overlap: caption",
    reason: "UNKNOWN_NAME",
    path: "connect.overlap",
    message: 'digits.yaml:18:12 connect.overlap: expected the name of a collection under data, found "caption". Did you mean "captions"?',
  },
  {
    what: "an unknown collection of a task",
    from: "{ data: test_sounds, space: clap }",
    to: "{ data: test_sound, space: clap }",
    reason: "UNKNOWN_NAME",
    path: "evaluate.0.query.data",
    message: 'digits.yaml:35:22 evaluate.0.query.data: expected the name of a collection under data, found "test_sound". Did you mean "test_sounds"?',
  },
  {
    what: "embeddings of an unknown space",
    from: "embeddings: { clip: emb/clip_image_train.npy }",
    to: "embeddings: { clop: emb/clip_image_train.npy, clip: a.npy }",
    reason: "UNKNOWN_NAME",
    path: "data.images.embeddings.clop",
    message: 'digits.yaml:12:55 data.images.embeddings.clop: expected the name of a space under spaces, found "clop". Did you mean "clip"?',
  },
  {
    what: "the same space twice",
    from: "{ space: clap, memory: sounds }",
    to: "{ space: clip, memory: images }",
    reason: "IMPOSSIBLE_VALUE",
    path: "connect.sides.1.space",
    message: `digits.yaml:21:16 connect.sides.1.space: expected another space than the first side's, found "clip"`,
  },
  {
    what: "a memory of the other space",
    from: "{ space: clap, memory: sounds }",
    to: "{ space: clap, memory: images }",
    reason: "NOT_REACHABLE",
    path: "connect.sides.1.memory",
    message:
      "digits.yaml:21:30 connect.sides.1.memory: expected a collection that has embeddings of space clap or can be encoded into it, " +
      "found images, which has no embeddings of it, and a precomputed space encodes nothing. Give data.images.embeddings.clap.",
  },
  {
    what: "an overlap that one space does not know",
    from: ", clap: emb/clap_text.npy }",
    to: " }",
    reason: "NOT_REACHABLE",
    path: "connect.overlap",
    message:
      "digits.yaml:18:12 connect.overlap: expected a collection that has embeddings of space clap or can be encoded into it, " +
      "found captions, which has no embeddings of it, and a precomputed space encodes nothing. Give data.captions.embeddings.clap.",
  },
  {
    what: "a collection of nothing",
    from: "{ modality: image, embeddings: { clip: emb/clip_image_train.npy } }",
    to: "{ modality: image }",
    reason: "IMPOSSIBLE_VALUE",
    path: "data.images",
    message: "digits.yaml:12:16 data.images: expected embeddings or a source, found a map",
  },
  {
    what: "relevance by labels that are not there",
    from: ", labels: emb/clap_audio_test_labels.npy",
    to: "",
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.query.data",
    message:
      "digits.yaml:35:22 evaluate.0.query.data: expected a collection with labels, for relevance: labels, found test_sounds, which has none. Give data.test_sounds.labels.",
  },
  {
    what: "a misspelt relevance",
    from: "relevance: labels",
    to: "relevance: lables",
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.relevance",
    message: 'digits.yaml:37:16 evaluate.0.relevance: expected labels, rows or the path of a .json file, found "lables"',
  },
  {
    what: "ks out of order",
    from: "ks: [1, 5, 10]",
    to: "ks: [1, 10, 5]",
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.ks",
    message: "digits.yaml:38:9 evaluate.0.ks: expected ascending numbers, each once, found [1,10,5]",
  },
  {
    what: "a k of 0",
    from: "ks: [1, 5, 10]",
    to: "ks: [0, 5]",
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.ks.0",
    message: "digits.yaml:38:10 evaluate.0.ks.0: expected a whole number of at least 1, found 0",
  },
  {
    what: "a baseline twice",
    from: "procrustes, ridge]",
    to: "pivot, ridge]",
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.baselines.4",
    message: "digits.yaml:39:61 evaluate.0.baselines.4: expected each baseline once, found pivot for the second time",
  },
  {
    what: "a parameter that a baseline does not have",
    from: "procrustes, ridge]",
    to: "{ name: procrustes, temperature: 1 }]",
    reason: "UNKNOWN_FIELD",
    path: "evaluate.0.baselines.4.temperature",
    message: "digits.yaml:39:81 evaluate.0.baselines.4.temperature: expected no parameter, as procrustes has none, found temperature",
  },
  {
    what: "baselines within one space",
    from: "query:   { data: test_sounds, space: clap }",
    to: "query:   { data: test_images, space: clip }",
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.baselines.1",
    message:
      "digits.yaml:39:25 evaluate.0.baselines.1: expected chance alone, as baselines map one space to another and both sides of this task are the same space, found pivot",
  },
  {
    what: "memory-ridge without consistency",
    from: `consistency: { temperature: 0.01 }${between("consistency: { temperature: 0.01 }", "ridge]")}ridge]`,
    to: `consistency: false${between("consistency: { temperature: 0.01 }", "ridge]")}memory-ridge]`,
    reason: "IMPOSSIBLE_VALUE",
    path: "evaluate.0.baselines.5",
    message:
      "digits.yaml:39:73 evaluate.0.baselines.5: expected connect.consistency to be on for memory-ridge, which is fitted on its pseudo pairs, found consistency switched off",
  },
  {
    what: "every loss term off",
    from: "    overlap: { weight: 1, temperature: 0.01 }\n    pseudo:  { weight: 1, temperature: 0.01 }\n    intra:   { weight: 0.1 }",
    to: "    overlap: false\n    pseudo:  { weight: 0 }\n    intra:   false",
    reason: "IMPOSSIBLE_VALUE",
    path: "connect.loss",
    message: "digits.yaml:25:3 connect.loss: expected at least one of overlap, pseudo and intra with a weight above 0, found none, so that there would be nothing to train",
  },
  {
    what: "a device that is none",
    from: "device: auto",
    to: "device: gpu",
    reason: "IMPOSSIBLE_VALUE",
    path: "worker.device",
    message: 'digits.yaml:4:19 worker.device: expected auto, cpu, cuda or cuda:N, found "gpu"',
  },
  {
    what: "a device beside an address",
    from: "device: auto",
    to: "device: cpu, address: localhost:5000",
    reason: "IMPOSSIBLE_VALUE",
    path: "worker.device",
    message:
      "digits.yaml:4:19 worker.device: expected no such field beside address, found cpu. A worker that runs already was started with a device and threads of its own.",
  },
  {
    what: "another version",
    from: "version: 1",
    to: "version: 2",
    reason: "IMPOSSIBLE_VALUE",
    path: "version",
    message: "digits.yaml:1:10 version: expected 1, found 2",
  },
  {
    what: "a name that would leave the folder of runs",
    from: "name: digits",
    to: "name: ../digits",
    reason: "IMPOSSIBLE_VALUE",
    path: "name",
    message: 'digits.yaml:2:7 name: expected a name of up to 100 letters, digits, dots, - and _ that begins with a letter or digit, found "../digits"',
  },
  {
    what: "a seed beyond exact numbers",
    from: "seed: 0",
    to: "seed: 9007199254740992",
    reason: "IMPOSSIBLE_VALUE",
    path: "seed",
    message: "digits.yaml:3:7 seed: expected a whole number from 0 to 2^53 - 1, found 9007199254740992",
  },
  {
    what: "a file of another kind",
    from: "clip: emb/clip_text.npy",
    to: "clip: emb/clip_text.pt",
    reason: "IMPOSSIBLE_VALUE",
    path: "data.captions.embeddings.clip",
    message: 'digits.yaml:11:25 data.captions.embeddings.clip: expected the path of a .npy or .safetensors file, found "emb/clip_text.pt"',
  },
];

function between(start: string, end: string): string {
  return DIGITS.slice(DIGITS.indexOf(start) + start.length, DIGITS.indexOf(end));
}
