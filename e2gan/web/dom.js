// Making elements, and finding those that a page works with.

/** An element: properties by their names, attributes where the name has a hyphen; text and elements inside. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

/** The elements below a root that have a `data-at`, by its value. */
export function parts(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-at]")].map((node) => [node.dataset.at, node]));
}

/** A line icon of 24 × 24: the path of an SVG, as markup. */
export function icon(path, size = 24) {
  return `<svg viewBox="0 0 ${size} ${size}" aria-hidden="true">${path}</svg>`;
}

/** A fault's text as a sentence; a name at its beginning, such as of a file, stays as it is. */
export function sentence(text) {
  const named = /^[^:]*\.\w+: /.test(text);
  const first = !named && /^[a-z]+(?= )/.test(text) ? text.charAt(0).toUpperCase() : text.charAt(0);
  return first + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}
