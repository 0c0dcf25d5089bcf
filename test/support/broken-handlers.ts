/** A module of handlers that cannot be made, as when the addon is not built. */
export const createHandlers = (): never => {
  throw new Error('longread.node is not there')
}
