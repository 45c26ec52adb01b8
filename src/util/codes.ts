/**
 * Every error code, with what it means. docs/errors.md explains each one (a test holds the two together).
 * The exit code is what the command line answers with: 1 failure, 2 usage, 3 a gate was missed, 4 unsupported.
 */
export const ERROR_CODES = {
  usage: { exit: 2, means: "the command line or the arguments of a call are wrong" },
  internal: { exit: 1, means: "an invariant of hone itself is broken: please report it" },
  aborted: { exit: 130, means: "the caller's AbortSignal fired, or the user interrupted" },
  "file.not-found": { exit: 1, means: "a file or folder that was named is not there" },
  "file.unreadable": { exit: 1, means: "a file could not be read" },
  "file.unwritable": { exit: 1, means: "an output could not be written; nothing was left half-written" },
  "file.too-large": { exit: 1, means: "a file is larger than the bound for its kind" },
  "model.format": { exit: 1, means: "the file is not of a model format that hone reads" },
  "model.damaged": { exit: 1, means: "the model file is truncated or contradicts itself" },
  "model.unsupported": { exit: 4, means: "the model uses operators or features that hone lacks; all are listed" },
  "graph.invalid": { exit: 1, means: "the graph breaks a rule of the graph IR" },
  "graph.shape": { exit: 1, means: "shapes or dtypes of an operator's operands do not fit together" },
  "shape.unbound": { exit: 2, means: "a symbolic dimension has no value at build; the hint is the flag to add" },
  "text.parse": { exit: 1, means: "IR text does not parse" },
  "toolchain.missing": { exit: 1, means: "no C compiler was found" },
  "toolchain.failed": { exit: 1, means: "the C compiler refused generated code" },
  "target.unsupported": { exit: 4, means: "a target lacks something the model needs" },
  "engine.damaged": { exit: 1, means: "the engine file is truncated or its hash does not match" },
  "engine.version": { exit: 1, means: "the engine file is of another format version" },
  "engine.cpu": { exit: 1, means: "the engine needs CPU features or a platform that this machine lacks" },
  "engine.load": { exit: 1, means: "an engine's native code is not allowed, or could not be loaded, or its memory could not be had" },
  "engine.loop": { exit: 1, means: "a loop of the model did not come to an end" },
  "engine.closed": { exit: 1, means: "the session was used after close()" },
  "feeds.invalid": { exit: 2, means: "the feeds given to run() do not match the engine's inputs" },
  "image.unreadable": { exit: 1, means: "an image could not be decoded" },
  "image.too-large": { exit: 1, means: "an image has more pixels than the bound" },
  "dependency.missing": { exit: 1, means: "an optional package is needed; the hint is the line that installs it" },
  "recipe.unknown": { exit: 1, means: "no recipe fits the model, or the one named does not exist" },
  "recipe.ambiguous": { exit: 1, means: "more than one recipe fits the model; the candidates are listed" },
  "recipe.invalid": { exit: 1, means: "a recipe file does not follow the recipe schema" },
  "annotations.invalid": { exit: 1, means: "an annotation or detection file cannot be read as what it claims to be" },
  "metrics.invalid": { exit: 1, means: "records given to a metric contradict each other" },
  "gate.accuracy": { exit: 3, means: "an accuracy gate was missed" },
  "gate.speed": { exit: 3, means: "a speed gate was missed" },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;
