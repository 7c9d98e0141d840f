/**
 * Arguments for Node with which its debugger can never open, on every release: SIGUSR1 makes Node
 * listen at this address, and no TCP socket can be bound to a multicast address (ipv6(7), EINVAL).
 * `--disable-sigusr1` would say it plainer, but Node 20 does not start with it.
 * The first line of the built programs has the same (scripts/build.mjs).
 */
export const withoutInspector: readonly string[] = ['--inspect-port=[ff00::]:9229'];
