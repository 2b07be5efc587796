import { useEffect } from "react";

const DIALOGS = "[role=dialog], [role=alertdialog]";

// Whoever closes a dialog is where they were before it opened: ours are opened by the page's state, not by a button of
// the dialog's own, so nothing else knows where that was.
export function ReturnFocus() {
  useEffect(() => {
    let before = null;
    const entered = (event) => {
      const on = event.target;
      if (on instanceof HTMLElement && !on.closest(DIALOGS) && !on.hasAttribute("data-radix-focus-guard")) before = on;
    };
    const closed = new MutationObserver((changes) => {
      const gone = changes.some((change) =>
        [...change.removedNodes].some(
          (node) => node instanceof Element && (node.matches(DIALOGS) || node.querySelector(DIALOGS)),
        ),
      );
      if (!gone) return;
      requestAnimationFrame(() => {
        const lost = document.activeElement === document.body || document.activeElement === null;
        if (lost && before?.isConnected && !document.querySelector(DIALOGS)) before.focus();
      });
    });
    document.addEventListener("focusin", entered);
    closed.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("focusin", entered);
      closed.disconnect();
    };
  }, []);
  return null;
}
