import { type Option, ownOptions } from '../option.ts';

/** The options of kproplog: MIT's, then ours. */
export const kproplogOptions: readonly Option[] = [
  { name: 'h', about: 'Print the header of the log, and no entries.' },
  {
    name: 'v',
    repeats: true,
    about: 'Print the attributes that each entry changes; given twice, also their values.',
  },
  {
    name: 'e',
    value: 'number',
    byDefault: '0',
    about: 'Print only so many of the last entries. 0 means all.',
  },
  {
    name: 'R',
    about: 'Empty the log. Replicas then need a full propagation.',
  },
  { name: 'json', about: 'Print one JSON object a line. It contains no keys.' },
  { name: 'follow', about: 'Go on with what is added to the log.' },
  ...ownOptions,
];
