/** What the work gives, or `otherwise` once the time is up; an error of the work after that is dropped. */
export async function withinLimit<T>(
  limitMillis: number,
  work: Promise<T>,
  otherwise: () => T,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise()), limitMillis);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
