import type { Figure } from './part.ts';

/** Columns as wide as their widest cell; numbers would be no easier to read to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  return rows
    .map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('   ')}`.trimEnd())
    .join('\n');
}

export function figuresTable(figures: readonly Figure[]): string {
  const verdict = ({ met }: Figure) => (met === undefined ? '' : met ? 'met' : 'NOT MET');
  return table([
    ['what', 'result', 'ours', 'against', 'target', ''],
    ...figures.map((figure) => [
      figure.what,
      figure.result,
      figure.ours ?? '',
      figure.against ?? '',
      figure.target ?? '',
      verdict(figure),
    ]),
  ]);
}
