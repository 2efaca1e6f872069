// @ts-check
/**
 * The packages of other platforms in package-lock.json. npm leaves out those that
 * it cannot fetch while it writes the file, and then `npm ci` refuses the file
 * on every platform, the present one included.
 */

const SYSTEMS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
/** The names that packages use beside Node's own, and Node's. */
const PROCESSORS = { arm64: "arm64", aarch64: "arm64", x64: "x64", x86_64: "x64", ia32: "ia32", arm: "arm", armv7: "arm", loong64: "loong64", ppc64: "ppc64", riscv64: "riscv64", s390x: "s390x" };
const LIBRARIES = { gnu: "glibc", gnueabihf: "glibc", musl: "musl", musleabihf: "musl" };

/** The platform that a package is for, from its name such as `resolver-binding-linux-arm64-musl`; undefined when it names none. */
export function platformOf(name) {
  const words = name.split("-");
  const os = words.find((word) => SYSTEMS.includes(word));
  const cpu = words.find((word) => word in PROCESSORS);
  if (os === undefined || cpu === undefined) return undefined;
  const library = os === "linux" ? words.find((word) => word in LIBRARIES) : undefined;
  return { os: [os], cpu: [PROCESSORS[cpu]], ...(library === undefined ? {} : { libc: [LIBRARIES[library]] }) };
}

/**
 * Adds an entry for each optional package that an installed one names by an
 * exact version and the lock lacks.
 *
 * @returns the names that were added, and those that could not be
 */
export function completeLock(lock) {
  const added = [];
  const unknown = [];
  for (const [parent, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const path = `node_modules/${name}`;
      if (path in lock.packages || `${parent}/${path}` in lock.packages) continue;
      const platform = platformOf(name);
      if (platform === undefined || !/^\d+\.\d+\.\d+/.test(version)) {
        unknown.push(`${name}@${version}`);
        continue;
      }
      lock.packages[path] = { version, ...(entry.dev === true ? { dev: true } : {}), optional: true, ...platform };
      added.push(name);
    }
  }
  const root = lock.packages[""];
  const rest = Object.entries(lock.packages).filter(([path]) => path !== "");
  // npm's own order.
  rest.sort(([left], [right]) => left.localeCompare(right, "en"));
  lock.packages = { ...(root === undefined ? {} : { "": root }), ...Object.fromEntries(rest) };
  return { added, unknown };
}
