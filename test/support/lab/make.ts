/** Whose program it is. */
export type Make = 'ours' | 'mit';
