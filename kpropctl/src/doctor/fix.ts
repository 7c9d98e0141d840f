/*
 * What to do about a finding, so that it can be followed to the letter: a command and where to run it, or
 * a line and where to write it. All are made here, so that all are worded alike.
 */

/** A command for this host, or for another. */
export function run(command: string, host?: string): string {
  return `run ${host === undefined ? 'here' : `on ${host}`}:   ${command}`;
}

/** A line for the end of a file of this host, or of another. */
export function addLine(file: string, line: string, host?: string): string {
  return `add this line to ${file}${host === undefined ? '' : ` on ${host}`}:   ${line}`;
}

/** A relation for a section of a file of this host; a section of that name may be opened again. */
export function addRelation(file: string, section: string, relation: string): string {
  return `add this line below [${section}] in ${file}:   ${relation}`;
}

/** A line of a file of this host, for the section that another line is in. */
export function addBelow(place: { readonly file: string; readonly line: number }, line: string) {
  return `add this line below line ${place.line} of ${place.file}:   ${line}`;
}

/** What one line of a file of this host should be. */
export function writeLine(place: { readonly file: string; readonly line: number }, line: string) {
  return `in ${place.file}, write as line ${place.line}:   ${line}`;
}

/** One after the other. */
export function inOrder(...steps: readonly string[]): string {
  return steps.join(', then ');
}
