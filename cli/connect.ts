/** Opens the context that flags and kubeconfig name. */
export interface Connection {
  readonly namespace: string;
}
