"""What any page should hold to, computed in the browser: contrast, names of controls, headings, width."""

# WCAG 2.1, 1.4.3: 4.5 to 1, and 3 to 1 for large text; disabled controls are exempt. Returns what falls short.
CONTRAST = """(root) => {
  const part = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const curve = (one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  const light = (color) => [0.2126, 0.7152, 0.0722].reduce((sum, share, at) => sum + share * curve(color[at] / 255), 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const found = part(getComputedStyle(one).backgroundColor);
      if (found[3] === 1) return found;
    }
    return [255, 255, 255, 1];
  };
  const short = [], walker = document.createTreeWalker(document.querySelector(root), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !node.checkVisibility() || node.closest("button:disabled, script, style")) continue;
    const style = getComputedStyle(node), size = parseFloat(style.fontSize);
    const [a, b] = [light(part(style.color)), light(ground(node))].sort((one, other) => other - one);
    const ratio = (a + 0.05) / (b + 0.05);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if (ratio < least) short.push(`${node.tagName}.${node.className} ${text.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return short;
}"""

# Controls, images and tables without a name, header cells without a scope, headings that skip a level, ids twice.
NAMES = """() => {
  const labelled = (node) => [...(node.labels || [])].some((label) => label.textContent.trim());
  const named = (node) => node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || labelled(node);
  const worded = (node) => named(node) || node.textContent.trim();
  const all = (names, right) => [...document.querySelectorAll(names)].filter((node) => !right(node));
  const found = [
    ...all("input, select, [role=img], dialog", named), ...all("button, a, summary", worded),
    ...all("th", (node) => node.scope), ...all("table", (node) => node.caption && node.caption.textContent.trim()),
  ].map((node) => node.outerHTML.slice(0, 80));
  let last = 0;
  for (const node of document.querySelectorAll("h1, h2, h3, h4")) {
    const level = Number(node.tagName[1]);
    if (level > last + 1) found.push(`${node.tagName} after H${last}: ${node.textContent}`);
    last = level;
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  found.push(...ids.filter((id, at) => ids.indexOf(id) !== at));
  const whole = document.querySelectorAll("h1").length === 1 && document.documentElement.lang && document.title;
  return whole ? found : [...found, "no title, no language, or not one h1"];
}"""

# How far the page, or what is open over it, reaches beyond the window's width; 0 is right.
BEYOND = """() => {
  const windows = [document.scrollingElement, ...document.querySelectorAll("dialog[open]")];
  return Math.max(...windows.map((node) => node.scrollWidth - node.clientWidth));
}"""
