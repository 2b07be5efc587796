import { createElement, useEffect, useState } from "react";

const KEPT = "cloudbill:typed";
const LIFE = 60 * 60 * 1000;

const fields = (form) =>
  [...form.elements].filter((one) => one.name && !["password", "file", "hidden", "submit"].includes(one.type));
const signature = (form) => fields(form).map((one) => one.name).join(" ");
const wasChosen = (one) =>
  one.type === "checkbox" || one.type === "radio"
    ? one.checked !== one.defaultChecked
    : one.tagName === "SELECT"
      ? [...one.options].some((option) => option.selected !== option.defaultSelected && option.selected)
      : one.value !== one.defaultValue;
const isTicked = (one) => one.type === "checkbox" || one.type === "radio";

function read(email) {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (kept && (kept.email !== email || Date.now() - kept.at >= LIFE)) {
    sessionStorage.removeItem(KEPT); // whoever comes next finds nothing of it
    return null;
  }
  return kept && kept.path === window.location.pathname ? kept : null;
}

// React listens at the prototype's setter: one that goes past it would be taken for what was there before.
function put(one, value) {
  const kind = { SELECT: HTMLSelectElement, TEXTAREA: HTMLTextAreaElement }[one.tagName] ?? HTMLInputElement;
  if (isTicked(one)) {
    if (one.checked !== value) one.click();
    return;
  }
  Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(one, value);
  one.dispatchEvent(new Event(one.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
}

// Before a page is left because its sign-in ran out: what stands in its forms, for the same person in this tab only.
export function keepTyped(email) {
  const written = [...document.querySelectorAll("main form, [role=dialog] form")].filter(
    (form) => fields(form).some(wasChosen),
  );
  if (!email || !written.length) return;
  const forms = written.map((form) => ({
    signature: signature(form),
    values: fields(form).map((one) => (isTicked(one) ? one.checked : one.value)),
  }));
  sessionStorage.setItem(KEPT, JSON.stringify({ email, path: window.location.pathname, at: Date.now(), forms }));
}

// Puts it back as soon as the same form is there again, and says until then that it is not lost.
export function Typed({ email }) {
  const [waits, setWaits] = useState(false);
  useEffect(() => {
    if (!email || !read(email)) return undefined;
    setWaits(true);
    const look = () => {
      const kept = read(email);
      if (!kept) return;
      for (const form of document.querySelectorAll("form")) {
        const found = kept.forms.find((one) => one.signature === signature(form));
        if (!found) continue;
        fields(form).forEach((one, place) => put(one, found.values[place]));
        kept.forms = kept.forms.filter((one) => one !== found);
      }
      if (kept.forms.length) return sessionStorage.setItem(KEPT, JSON.stringify(kept));
      sessionStorage.removeItem(KEPT);
      setWaits(false);
      watched.disconnect();
    };
    const watched = new MutationObserver(look);
    watched.observe(document.body, { childList: true, subtree: true });
    look();
    return () => watched.disconnect();
  }, [email]);
  if (!waits) return null;
  const said = "What you typed is not lost: open the form again, and it stands there.";
  const forget = () => {
    sessionStorage.removeItem(KEPT);
    setWaits(false);
  };
  return createElement(
    "div",
    { className: "notice connection", role: "status" },
    createElement("div", { className: "grow" }, createElement("b", null, "You were signed out"), createElement("p", null, said)),
    createElement("button", { type: "button", className: "button small", onClick: forget }, "Forget it"),
  );
}
