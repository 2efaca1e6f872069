/** An element of an XML document: its name, the elements in it, and its own text. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

interface Open {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

const TOKEN = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[([\s\S]*?)\]\]>|<!DOCTYPE[^>[]*>|<\/([^\s<>/]+)\s*>|<([^\s<>/!?]+)((?:[^<>"']|"[^"]*"|'[^']*')*?)(\/?)>|([^<]+)/y;
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

/**
 * The root element of a small XML document, such as an annotation: attributes are passed over, and entities other
 * than the five of XML are not known. Throws an Error that says where it is malformed or cut off.
 */
export function parseXml(document: string): XmlElement {
  const stack: Open[] = [{ name: "", children: [], text: "" }];
  const token = new RegExp(TOKEN);
  let at = document.startsWith("\ufeff") ? 1 : 0;
  while (at < document.length) {
    token.lastIndex = at;
    const match = token.exec(document);
    const inner = stack.at(-1);
    if (match === null || inner === undefined) throw new Error(document.includes(">", at) ? `it is no XML at character ${at}` : `it is cut off in what begins at character ${at}`);
    const [whole, cdata, closes, opens, , empty, text] = match;
    if (closes !== undefined) {
      if (closes !== inner.name || stack.length === 1) throw new Error(`</${closes}> closes nothing at character ${at}`);
      stack.pop();
      stack.at(-1)?.children.push(inner);
    } else if (opens !== undefined) {
      if (empty === "/") inner.children.push({ name: opens, children: [], text: "" });
      else stack.push({ name: opens, children: [], text: "" });
    } else inner.text += cdata ?? (text === undefined ? "" : unescaped(text));
    at += whole.length;
  }
  const [document_, unclosed] = stack;
  if (unclosed !== undefined) throw new Error(`it is cut off: <${unclosed.name}> is not closed`);
  const [root, another] = document_?.children ?? [];
  if (root === undefined || another !== undefined) throw new Error(root === undefined ? "it has no element" : "it has more than one root");
  return root;
}

function unescaped(text: string): string {
  return text.replace(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}
