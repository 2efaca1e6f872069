/** What the connection is compared with. */

export interface BaselineDefinition {
  /** As written in an experiment file, and in the worker's registry of connectors. */
  readonly name: string;
  /** One sentence for a reader of the results. */
  readonly description: string;
  /**
   * Whether the worker fits it and embeds with it, or its metrics follow from
   * the truth alone, as expected values in closed form do.
   */
  readonly computed: "worker" | "expectation";
  /** Its parameters with their defaults; a field that is not here is not a parameter of it. Null: all dimensions. */
  readonly parameters: { readonly temperature?: number; readonly regularization?: number; readonly dimensions?: null };
  /** Whether `+gap` means something for it: to subtract each modality's memory mean before comparing. */
  readonly gap: boolean;
  /** Whether it is fitted on the memories too; with `+gap` every one looks at them. */
  readonly memories: boolean;
  /** Whether it is fitted on the pseudo pairs that consistency makes. */
  readonly pseudoPairs: boolean;
}

/** Every baseline. A new one is an entry here, and its mathematics in the worker. */
export const BASELINES: readonly BaselineDefinition[] = [
  {
    name: "chance",
    description: "What a uniformly random ranking is expected to reach; of places in images, what random scores of the same regions reach.",
    computed: "expectation",
    parameters: {},
    gap: false,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "centre",
    description: "Of places in images alone: takes the middle half of every image, whatever it sounds like.",
    computed: "expectation",
    parameters: {},
    gap: false,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "pivot",
    description: "Takes the nearest overlap item, and its embedding in the other space.",
    computed: "worker",
    parameters: {},
    gap: true,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "pivot-soft",
    description: "Takes the mean of the overlap items' embeddings in the other space, weighted by a softmax over similarities.",
    computed: "worker",
    parameters: { temperature: 0.05 },
    gap: true,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "pivot-two-sided",
    description: "Expresses both sides as softmax-weighted means of the overlap items in both spaces, and compares these, centred.",
    computed: "worker",
    parameters: { temperature: 0.1 },
    gap: true,
    memories: true,
    pseudoPairs: false,
  },
  {
    name: "procrustes",
    description: "The rotation that best maps the overlap of one space onto that of the other.",
    computed: "worker",
    parameters: {},
    gap: true,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "ridge",
    description: "The linear map with an L2 penalty that best maps the overlap of one space onto that of the other.",
    computed: "worker",
    parameters: { regularization: 1e-2 },
    gap: true,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "relative",
    description: "Describes each item by its similarities to all overlap items, in its own space, and compares these.",
    computed: "worker",
    parameters: {},
    gap: true,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "cca",
    description: "Canonical correlation analysis: the directions of both spaces that correlate most on the overlap.",
    computed: "worker",
    parameters: { regularization: 1e-2, dimensions: null },
    gap: true,
    memories: false,
    pseudoPairs: false,
  },
  {
    name: "memory-ridge",
    description: "The linear map with an L2 penalty, fitted on the pseudo pairs in place of the overlap.",
    computed: "worker",
    parameters: { regularization: 1e-2 },
    gap: true,
    memories: false,
    pseudoPairs: true,
  },
];
