const URL_SCHEMES = ['http:', 'https:', 'ssh:', 'git:', 'file:', 'git+ssh:'];
const EXAMPLE = 'https://example.org/team/project.git';

/**
 * -> {project}, or {fields: {url} or {path}, secrets} for a new one, or {error}.
 * A password in a URL is taken out of it: the hub must get it as a secret.
 */
export function readSource(typed, projects = []) {
  const words = typed.trim().replace(/^git\s+clone\s+/, '').replace(/^["'<]|["'>]$/g, '');
  if (!words) return { error: 'Paste a git URL, or the name of a project.' };
  const known = projects.find((project) => [project.id, project.name, project.url].includes(words));
  if (known) return { project: known.id };
  if (words.startsWith('/')) return { fields: { path: words } };
  if (/^[\w.-]+@[\w.-]+:(?!\/\/)\S+$/.test(words)) return { fields: { url: words }, secrets: {} };
  if (/^[a-z+]+:\/\//i.test(words)) return readUrl(words);
  if (/^[\w-]+(\.[\w-]+)+\/\S+$/.test(words)) return readUrl(`https://${words}`);
  return { error: `This is neither a git URL nor a project here. A URL looks like ${EXAMPLE}` };
}

function decoded(words) {
  try {
    return decodeURIComponent(words);
  } catch {
    return words; // a lone percent sign
  }
}

function readUrl(words) {
  let url;
  try {
    url = new URL(words);
  } catch {
    return { error: `This URL cannot be read. One looks like ${EXAMPLE}` };
  }
  if (!URL_SCHEMES.includes(url.protocol)) return { error: `git does not speak ${url.protocol.slice(0, -1)}. Use https or ssh.` };
  if (url.protocol !== 'file:' && !/.\.|:|^localhost$|^[\w-]+$/.test(url.hostname)) return { error: 'This URL names no server.' };
  if (/\s/.test(words)) return { error: 'A URL has no spaces in it.' };
  const [user, password] = [url.username, url.password].map(decoded);
  const web = url.protocol.startsWith('http');
  // https://TOKEN@host is how tokens are pasted; ssh://git@host is only a user name.
  if (!password && !(web && user)) return { fields: { url: words }, secrets: {} };
  const secrets = password ? { username: user, password } : { token: user };
  url.username = web ? '' : user;
  url.password = '';
  return { fields: { url: url.href }, secrets: user ? secrets : { token: password } };
}

/** A key for one submit; `crypto.randomUUID` does not exist on plain http. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
