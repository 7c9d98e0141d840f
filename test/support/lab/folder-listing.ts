import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Every file and folder below a folder with what a write to it changes: size, mode, times, inode. */
export function folderListing(folder: string): readonly string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return ['.', ...names].map((name) => {
    const { size, mode, mtimeNs, ctimeNs, ino } = lstatSync(join(folder, name), { bigint: true });
    return [name, size, mode, mtimeNs, ctimeNs, ino].join(' ');
  });
}
