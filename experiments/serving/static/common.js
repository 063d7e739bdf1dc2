"use strict";
// What all pages of `lstmcore serve` have in common: the way between them, and requests that fail in words.
const Page = (() => {
  const element = id => document.getElementById(id);

  // An element with its text, attributes and children. Text is text: nothing of a tag or a name is HTML.
  function made(kind, { text, ...attributes } = {}, ...children) {
    const one = document.createElement(kind);
    if (text !== undefined) one.textContent = text;
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "boolean") one.toggleAttribute(name, value);
      else if (value !== null) one.setAttribute(name, value);
    }
    one.append(...children);
    return one;
  }

  // The answer to a request, or an Error with a sentence for people.
  async function asked(path, options = {}) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch {
      throw new Error("lstmcore serve doesn't answer: has it ended? Its terminal says.");
    }
    if (answer.status === 204) return null;
    const kind = answer.headers.get("content-type") || "";
    const content = kind.startsWith("application/json") ? await answer.json() : { error: (await answer.text()).trim() };
    if (!answer.ok) throw new Error(content.error || `refused (${answer.status})`);
    return content;
  }

  // Call again and again, while the page is seen, as soon as the last call has ended; it returns the pause in ms.
  function repeat(work) {
    let timer = null, busy = false, again = false;
    async function turn() {
      clearTimeout(timer);
      if (busy) { again = true; return; }
      busy = true;
      let pause = 5000;
      try {
        pause = await work();
      } finally {
        busy = false;
        timer = setTimeout(turn, again ? 0 : document.hidden ? 5000 : pause);
        again = false;
      }
    }
    document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
    turn();
    return turn;
  }

  async function showParts() {
    const here = element("parts");
    const parts = await asked("/api/parts");
    if (parts.length < 2) return;
    here.replaceChildren(...parts.map((part, k) => made("a", {
      href: part.path, text: part.title,
      "aria-current": location.pathname === part.path || (k === 0 && location.pathname === "/") ? "page" : null,
    })));
  }

  showParts().catch(() => {});
  return { element, made, asked, repeat };
})();
