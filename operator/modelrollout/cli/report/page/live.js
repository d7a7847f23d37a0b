"use strict";
// Fetches this page again every two seconds and puts the new content in place; what is unfolded or focused stays so.
(() => {
  const period = 2000;
  const patience = 60000;
  const opened = (root) => [...root.querySelectorAll("details")].map((one) => [one.querySelector("summary").textContent, one]);
  const take = (fresh, selector) => {
    const now = document.querySelector(selector);
    const next = fresh.querySelector(selector);
    if (!now || !next || now.innerHTML === next.innerHTML) return;
    const open = new Set(opened(now).filter(([, one]) => one.open).map(([text]) => text));
    const focus = document.activeElement;
    const at = focus && now.contains(focus) ? [...now.querySelectorAll("a, summary, [tabindex]")].indexOf(focus) : -1;
    const scrolled = [...now.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
    opened(next).forEach(([text, one]) => { one.open = open.has(text); });
    now.replaceChildren(...document.adoptNode(next).childNodes);
    [...now.querySelectorAll(".scroll")].forEach((one, index) => { one.scrollLeft = scrolled[index] || 0; });
    if (at >= 0) {
      const again = [...now.querySelectorAll("a, summary, [tabindex]")][at];
      if (again) again.focus({ preventScroll: true });
    }
  };
  const say = (text) => {
    const place = document.getElementById("connection");
    if (place && place.textContent !== text) place.textContent = text;
  };
  const update = async () => {
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", redirect: "error", signal: AbortSignal.timeout(patience) });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.title = fresh.title;
      ["header", "nav", "main"].forEach((selector) => take(fresh, selector));
      say("");
    } catch {
      say("No answer: this page shows what was known last. Is kubectl modelrollout dashboard still running?");
    }
    setTimeout(update, period);
  };
  setTimeout(update, period);
})();
