/** The activations that recurrent layers name (ONNX operator specification: RNN). */
import type { Expr } from "../loop/types.ts";
import * as a from "./arith.ts";

interface Activation {
  readonly name: string;
  readonly alpha: number;
  readonly beta: number;
  readonly body: (x: Expr, alpha: number, beta: number) => Expr;
}

const make = (name: string, alpha: number, beta: number, body: Activation["body"]): Activation => ({ name, alpha, beta, body });

/** With their parameters where a model gives none. */
export const ACTIVATIONS: readonly Activation[] = [
  make("Sigmoid", 0, 0, (x) => a.sigmoid(x)),
  make("Tanh", 0, 0, (x) => a.tanh(x)),
  make("Relu", 0, 0, (x) => a.max(x, 0)),
  make("Affine", 1, 0, (x, alpha, beta) => a.add(a.mul(x, alpha), beta)),
  make("LeakyRelu", 0.01, 0, (x, alpha) => a.select(a.lt(x, 0), a.mul(x, alpha), x)),
  make("ThresholdedRelu", 1, 0, (x, alpha) => a.select(a.ge(x, alpha), x, 0)),
  make("ScaledTanh", 1, 1, (x, alpha, beta) => a.mul(a.tanh(a.mul(x, beta)), alpha)),
  make("HardSigmoid", 0.2, 0.5, (x, alpha, beta) => a.clamp(a.add(a.mul(x, alpha), beta), 0, 1)),
  make("Elu", 1, 0, (x, alpha) => a.select(a.lt(x, 0), a.mul(a.sub(a.exp(x), 1), alpha), x)),
  make("Softsign", 0, 0, (x) => a.div(x, a.add(a.abs(x), 1))),
  make("Softplus", 0, 0, (x) => a.add(a.max(x, 0), a.log(a.add(a.exp(a.neg(a.abs(x))), 1)))),
];
