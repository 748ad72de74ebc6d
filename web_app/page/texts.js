// @ts-check
/** The page's English: what texts.json has, which the server puts into the page. */

/** @type {Record<string, string>} */
const TEXTS = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

/**
 * A text by its name, with values for its braces; empty if there is none of that name.
 * @param {string} name
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export const text = (name, values = {}) =>
  (TEXTS[name] ?? "").replace(/\{(\w+)\}/g, (_, key) => String(values[key] ?? ""));
