/**
 * Arguments for Node with which its debugger can never open, on every release: SIGUSR1 makes Node
 * listen at this address, and no TCP socket can be bound to a multicast address (ipv6(7), EINVAL).
 * `--disable-sigusr1` would be plainer, but Node 20 refuses to start with it.
 * The built programs start Node with the same argument (scripts/build.mjs).
 */
export const withoutInspector: readonly string[] = ['--inspect-port=[ff00::]:9229'];
