/** Changes the words of a Markdown text and leaves its code as it is written. */
export const outsideCode = (text: string, change: (words: string) => string): string =>
  text.replace(/(```[\s\S]*?(?:```|$)|`[^`\n]*`)|[^`]+|`/g, (piece, code: string | undefined) => code ?? change(piece))
